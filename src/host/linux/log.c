/*
 * log.c - one line at a time, to stderr or to whoever asked for the lines.
 */
#include "linux.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct sink {
    void (*write)(void *context, int level, const char *text);
    void *context;
};

static void to_stderr(void *context, int level, const char *text)
{
    struct iovec line[2] = {{.iov_base = (void *)text, .iov_len = strlen(text)},
                            {.iov_base = "\n", .iov_len = 1}};

    (void)context;
    (void)level;
    if (writev(STDERR_FILENO, line, 2) < 0)
        return; /* stderr is gone: there is nobody left to tell */
}

/* Sink and context change together: they stand behind one lock that lines only read. */
static pthread_rwlock_t lock HOST_KEPT = PTHREAD_RWLOCK_INITIALIZER;
static struct sink sink HOST_KEPT = {to_stderr, NULL};

void host_log(int level, const char *text)
{
    struct sink now;

    pthread_rwlock_rdlock(&lock);
    now = sink;
    pthread_rwlock_unlock(&lock);
    now.write(now.context, level, text);
}

void host_set_log_sink(void (*write)(void *context, int level, const char *text), void *context)
{
    pthread_rwlock_wrlock(&lock);
    sink.write = write ? write : to_stderr;
    sink.context = context;
    pthread_rwlock_unlock(&lock);
}
