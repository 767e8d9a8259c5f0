/*
 * slow_resolver.h - in front of the system's getaddrinfo(): a few names that tests need and no name server has.
 * Readable in both worlds.
 *
 *     slow.test      waits until slow_resolver_go(), then is unknown
 *     unknown.test   is unknown at once
 *     silent.test    nobody could tell (EAI_AGAIN)
 *     many.test      10.1.0.1 and 10.1.0.2, each twice, and fd01::1
 *     b(u umlaut)cher.test   as xn--bcher-kva.test: 10.1.0.3, when it comes with AI_IDN
 * Everything else goes to the system.
 */
#ifndef WSK_SLOW_RESOLVER_H
#define WSK_SLOW_RESOLVER_H

int slow_resolver_inside(void); /* threads that wait in slow.test */
void slow_resolver_go(void);

#endif
