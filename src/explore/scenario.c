/*
 * scenario.c - the lines of a scenario: who takes part, and what the peers do (docs/simulator.md).
 *
 * A line is words between blanks; "..." is one word; # begins a comment.  An error tells file, line, and what was
 * expected there.
 */
#include "explore/explore.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>

enum { WORDS = 12, WORD_BYTES = 1024 };

struct word {
    char text[WORD_BYTES];
    size_t bytes;
    int quoted;
};

struct parser {
    struct scenario *scenario;
    const char *name;
    int line;
    struct word *word; /* WORDS of them */
    int words;
    struct peer_plan *peer; /* between "peer" and "end" */
    int peer_line;
    int udp; /* the peer has a UDP socket by now */
    unsigned times;
    struct uwsk_problem *problem;
};

static int expected(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int expected(struct parser *parser, const char *format, ...)
{
    char what[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    explore_problem(parser->problem, STATUS_INVALID_PARAMETER, "%s:%d: expected %s", parser->name,
                    parser->line, what);
    return -1;
}

/* ---- the scenario as data ----------------------------------------------------------------------------- */

void scenario_init(struct scenario *scenario)
{
    memset(scenario, 0, sizeof *scenario);
    scenario->completion = scenario->deliver = scenario->send_complete = UWSK_FROM_SEED;
    scenario->weather = net_calm;
}

void peer_plan_free(struct peer_plan *plan)
{
    for (size_t i = 0; i < plan->steps; i++)
        free(plan->step[i].text);
    free(plan->step);
    memset(plan, 0, sizeof *plan);
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->peers; i++)
        peer_plan_free(&scenario->peer[i]);
    for (size_t i = 0; i < scenario->settings; i++)
        free(scenario->setting[i]);
    free(scenario->peer);
    free(scenario->setting);
    free(scenario->host);
    free(scenario->name);
    text_free(&scenario->source);
    memset(scenario, 0, sizeof *scenario);
}

int scenario_add_host(struct scenario *scenario, const char *address)
{
    void *bigger = realloc(scenario->host, (scenario->hosts + 1) * sizeof *scenario->host);

    if (!bigger)
        return -1;
    scenario->host = bigger;
    snprintf(scenario->host[scenario->hosts], sizeof *scenario->host, "%s", address);
    return (int)++scenario->hosts; /* host 0 is the drivers' */
}

int scenario_add_setting(struct scenario *scenario, const char *setting)
{
    void *bigger = realloc(scenario->setting, (scenario->settings + 1) * sizeof *scenario->setting);
    char *copy = strdup(setting);

    if (bigger)
        scenario->setting = bigger;
    if (!bigger || !copy) {
        free(copy);
        return -1;
    }
    scenario->setting[scenario->settings++] = copy;
    return 0;
}

struct peer_plan *scenario_add_peer(struct scenario *scenario, const char *name)
{
    struct peer_plan *bigger = realloc(scenario->peer, (scenario->peers + 1) * sizeof *bigger), *plan;

    if (!bigger)
        return NULL;
    scenario->peer = bigger;
    plan = &bigger[scenario->peers++];
    memset(plan, 0, sizeof *plan);
    if (name && *name)
        snprintf(plan->name, sizeof plan->name, "%s", name);
    else
        snprintf(plan->name, sizeof plan->name, "peer%zu", scenario->peers);
    return plan;
}

struct peer_step *peer_plan_add(struct peer_plan *plan, int action, uint64_t number)
{
    struct peer_step *step;

    if (plan->steps == plan->room) {
        size_t room = plan->room ? 2 * plan->room : 8;
        void *bigger = realloc(plan->step, room * sizeof *plan->step);

        if (!bigger)
            return NULL;
        plan->step = bigger;
        plan->room = room;
    }
    step = &plan->step[plan->steps++];
    memset(step, 0, sizeof *step);
    step->action = action;
    step->number = number;
    return step;
}

/* ---- words -------------------------------------------------------------------------------------------- */

static int escape(const char **at, char *out)
{
    static const char letters[] = "nrt0\\\"", meanings[] = "\n\r\t\0\\\"";
    const char *letter;

    if (**at == 'x' && isxdigit((unsigned char)(*at)[1]) && isxdigit((unsigned char)(*at)[2])) {
        char digits[3] = {(*at)[1], (*at)[2], 0};

        *out = (char)strtoul(digits, NULL, 16);
        *at += 3;
        return 0;
    }
    letter = **at ? strchr(letters, **at) : NULL;
    if (!letter)
        return -1;
    *out = meanings[letter - letters];
    ++*at;
    return 0;
}

static int quoted_word(struct parser *parser, struct word *word, const char **at)
{
    ++*at;
    word->quoted = 1;
    while (**at && **at != '"') {
        char byte = **at;

        if (word->bytes == WORD_BYTES - 1)
            return expected(parser, "a string of less than %d bytes", WORD_BYTES);
        ++*at;
        if (byte == '\\' && escape(at, &byte) != 0)
            return expected(parser, "\\n, \\r, \\t, \\0, \\\\, \\\" or \\xNN after the backslash");
        word->text[word->bytes++] = byte;
    }
    if (**at != '"')
        return expected(parser, "a quotation mark at the end of the string");
    ++*at;
    return 0;
}

static int split(struct parser *parser, const char *at)
{
    parser->words = 0;
    for (;;) {
        struct word *word = &parser->word[parser->words];

        while (*at == ' ' || *at == '\t' || *at == '\r')
            at++;
        if (*at == 0 || *at == '#')
            return 0;
        if (parser->words == WORDS)
            return expected(parser, "at most %d words in a line", WORDS);
        word->bytes = 0;
        word->quoted = 0;
        if (*at == '"') {
            if (quoted_word(parser, word, &at) != 0)
                return -1;
        } else {
            for (; *at && !strchr(" \t\r#", *at); at++) {
                if (word->bytes == WORD_BYTES - 1)
                    return expected(parser, "a word of less than %d bytes", WORD_BYTES);
                word->text[word->bytes++] = *at;
            }
        }
        word->text[word->bytes] = 0;
        parser->words++;
    }
}

static int is(const struct parser *parser, int index, const char *text)
{
    return index < parser->words && !parser->word[index].quoted &&
           strcmp(parser->word[index].text, text) == 0;
}

static const char *word_at(const struct parser *parser, int index)
{
    return index < parser->words ? parser->word[index].text : "the end of the line";
}

static int end_of_line(struct parser *parser, int count)
{
    return parser->words == count ? 0
                                  : expected(parser, "nothing after \"%s\", found \"%s\"",
                                             word_at(parser, count - 1), word_at(parser, count));
}

static int number_at(struct parser *parser, int index, const char *what, uint64_t low, uint64_t high,
                     uint64_t *out)
{
    const char *text = word_at(parser, index);
    char *end;

    if (index < parser->words && isdigit((unsigned char)*text)) {
        *out = strtoull(text, &end, 10);
        if (*end == '%' && high == 100)
            end++;
        if (*end == 0 && *out >= low && *out <= high)
            return 0;
    }
    return expected(parser, "%s (%llu to %llu), found \"%s\"", what, (unsigned long long)low,
                    (unsigned long long)high, text);
}

static int duration_at(struct parser *parser, int index, uint64_t *out)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    const char *text = word_at(parser, index);
    char *end;
    double number;

    if (index < parser->words && (isdigit((unsigned char)*text) || *text == '.')) {
        number = strtod(text, &end);
        for (int i = 0; i < 4; i++)
            if (strcmp(end, units[i].name) == 0 && number * units[i].ns <= 1e15) {
                *out = (uint64_t)(number * units[i].ns);
                return 0;
            }
    }
    return expected(parser, "a time such as 5ms (ns, us, ms, s), found \"%s\"", text);
}

static int choice_at(struct parser *parser, int index, const char *const *names, int *out)
{
    struct text list = {0};

    for (int i = 0; names[i]; i++) {
        if (is(parser, index, names[i])) {
            *out = i;
            text_free(&list);
            return 0;
        }
        text_add(&list, "%s%s", i ? (names[i + 1] ? ", " : " or ") : "", names[i]);
    }
    expected(parser, "%s, found \"%s\"", text_of(&list), word_at(parser, index));
    text_free(&list);
    return -1;
}

/* "127.0.0.1:5007", "[::1]:5007" */
static int address_at(struct parser *parser, int index, struct peer_step *step)
{
    const char *text = word_at(parser, index), *colon = strrchr(text, ':');
    struct transport_address address;
    char host[64];
    char *end;
    unsigned long port;
    size_t length;

    if (index >= parser->words || !colon || (size_t)(colon - text) >= sizeof host)
        return expected(parser, "an address such as 127.0.0.1:5007 or [::1]:5007, found \"%s\"", text);
    length = (size_t)(colon - text);
    if (text[0] == '[' && length > 2 && text[length - 1] == ']')
        snprintf(host, sizeof host, "%.*s", (int)length - 2, text + 1);
    else
        snprintf(host, sizeof host, "%.*s", (int)length, text);
    port = strtoul(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end || port > 65535 ||
        net_address(host, (uint16_t)port, &address) != 0)
        return expected(parser, "an address such as 127.0.0.1:5007 or [::1]:5007, found \"%s\"", text);
    snprintf(step->address, sizeof step->address, "%s", host);
    step->port = (uint16_t)port;
    return 0;
}

/* ---- weather ------------------------------------------------------------------------------------------ */

static int weather_times(struct parser *parser, uint64_t *low, uint64_t *high)
{
    if (duration_at(parser, 2, low ? low : high) != 0 || (low && duration_at(parser, 3, high) != 0))
        return -1;
    if (low && *low > *high)
        return expected(parser, "the smaller time first");
    return end_of_line(parser, low ? 4 : 3);
}

static int weather_percent(struct parser *parser, unsigned *out)
{
    uint64_t number;

    if (number_at(parser, 2, "a percentage", 0, 100, &number) != 0)
        return -1;
    *out = (unsigned)number;
    return end_of_line(parser, 3);
}

static int weather_sizes(struct parser *parser, size_t *low, size_t *high)
{
    uint64_t first, second;

    if (number_at(parser, 2, "a number of bytes", 1, 1 << 24, &first) != 0)
        return -1;
    *(low ? low : high) = (size_t)first;
    if (!low)
        return end_of_line(parser, 3);
    if (number_at(parser, 3, "a number of bytes", first, 1 << 24, &second) != 0)
        return -1;
    *high = (size_t)second;
    return end_of_line(parser, 4);
}

static int weather_line(struct parser *parser)
{
    struct net_weather *weather = &parser->scenario->weather;
    const struct {
        const char *name;
        unsigned *value;
    } percents[] = {{"coalesce", &weather->coalesce_percent},     {"refuse", &weather->refuse_percent},
                    {"black-hole", &weather->black_hole_percent}, {"reset", &weather->reset_percent},
                    {"half-open", &weather->half_open_percent},   {"loss", &weather->loss_percent},
                    {"duplicate", &weather->duplicate_percent},   {"reorder", &weather->reorder_percent}};

    parser->scenario->has_weather = 1;
    if (is(parser, 1, "calm") || is(parser, 1, "rough")) {
        *weather = is(parser, 1, "calm") ? net_calm : net_rough;
        return end_of_line(parser, 2);
    }
    if (is(parser, 1, "latency"))
        return weather_times(parser, &weather->latency_min_ns, &weather->latency_max_ns);
    if (is(parser, 1, "ack-delay"))
        return weather_times(parser, NULL, &weather->ack_delay_max_ns);
    if (is(parser, 1, "fin-delay"))
        return weather_times(parser, NULL, &weather->fin_delay_max_ns);
    if (is(parser, 1, "segment"))
        return weather_sizes(parser, &weather->segment_min, &weather->segment_max);
    if (is(parser, 1, "send-buffer"))
        return weather_sizes(parser, NULL, &weather->send_buffer);
    if (is(parser, 1, "receive-buffer"))
        return weather_sizes(parser, NULL, &weather->receive_buffer);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++)
        if (is(parser, 1, percents[i].name))
            return weather_percent(parser, percents[i].value);
    return expected(
        parser,
        "calm, rough, latency, ack-delay, fin-delay, segment, coalesce, refuse, black-hole, reset, "
        "half-open, loss, duplicate, reorder, send-buffer or receive-buffer, found \"%s\"",
        word_at(parser, 1));
}

/* ---- what a peer does --------------------------------------------------------------------------------- */

static struct peer_step *add_step(struct parser *parser, int action)
{
    struct peer_step *step = peer_plan_add(parser->peer, action, 0);

    if (!step)
        expected(parser, "more memory");
    else
        step->line = parser->line;
    return step;
}

static int add_text(struct parser *parser, struct peer_step *step, int index)
{
    if (index >= parser->words || !parser->word[index].quoted)
        return expected(parser, "a string in quotation marks, found \"%s\"", word_at(parser, index));
    step->text = malloc(parser->word[index].bytes + 1);
    if (!step->text)
        return expected(parser, "more memory");
    memcpy(step->text, parser->word[index].text, parser->word[index].bytes + 1);
    step->text_bytes = parser->word[index].bytes;
    return end_of_line(parser, index + 1);
}

static int needs_udp(struct parser *parser)
{
    return parser->udp ? 0 : expected(parser, "udp or udp-bind before \"%s\"", word_at(parser, 0));
}

static int expect_line(struct parser *parser)
{
    static const char *const names[] = {"echo", "fin", "rst", "end", "intact"};
    static const int actions[] = {PEER_EXPECT_ECHO, PEER_EXPECT_FIN, PEER_EXPECT_RST, PEER_EXPECT_END,
                                  PEER_EXPECT_INTACT};
    struct peer_step *step = add_step(parser, PEER_EXPECT);

    if (!step)
        return -1;
    for (int i = 0; i < 5; i++)
        if (is(parser, 1, names[i])) {
            step->action = actions[i];
            if (step->action == PEER_EXPECT_INTACT && needs_udp(parser) != 0)
                return -1;
            return end_of_line(parser, 2);
        }
    if (parser->words > 1 && parser->word[1].quoted) {
        step->action = PEER_EXPECT_TEXT;
        return add_text(parser, step, 1);
    }
    if (number_at(parser, 1, "a number, a string, echo, intact, fin, rst or end", 1, 1 << 24,
                  &step->number) != 0)
        return -1;
    return end_of_line(parser, 2);
}

/* burst COUNT BYTES */
static int burst_line(struct parser *parser)
{
    struct peer_step *step = add_step(parser, PEER_BURST);

    if (!step || needs_udp(parser) != 0 ||
        number_at(parser, 1, "how many datagrams", 1, 1000, &step->count) != 0 ||
        number_at(parser, 2, "a number of bytes", 0, 65507, &step->number) != 0)
        return -1;
    return end_of_line(parser, 3);
}

/* answer HEAD, answer HEAD "TEXT" */
static int answer_line(struct parser *parser)
{
    struct peer_step *step = add_step(parser, PEER_ANSWER);

    if (!step || needs_udp(parser) != 0 ||
        number_at(parser, 1, "a number of bytes", 0, 65507, &step->number) != 0)
        return -1;
    return parser->words > 2 ? add_text(parser, step, 2) : 0;
}

static int peer_line(struct parser *parser)
{
    static const struct {
        const char *name;
        int action;
        int takes; /* 0 nothing, 'a'ddress, 'b'ytes or datagrams, 'p'ercent, 't'ime */
    } actions[] = {
        {"connect", PEER_CONNECT, 'a'},   {"listen", PEER_LISTEN, 'a'},     {"accept", PEER_ACCEPT, 0},
        {"receive", PEER_RECEIVE, 'b'},   {"drain", PEER_DRAIN, 0},         {"shutdown", PEER_SHUTDOWN, 0},
        {"reset", PEER_RESET, 0},         {"close", PEER_CLOSE, 0},         {"vanish", PEER_VANISH, 0},
        {"wait", PEER_WAIT, 't'},         {"patience", PEER_PATIENCE, 't'}, {"udp", PEER_UDP, 'a'},
        {"udp-bind", PEER_UDP_BIND, 'a'}, {"lose", PEER_LOSE, 'p'}};
    struct peer_step *step;

    if (is(parser, 0, "expect"))
        return expect_line(parser);
    if (is(parser, 0, "burst"))
        return burst_line(parser);
    if (is(parser, 0, "answer"))
        return answer_line(parser);
    if (is(parser, 0, "send")) {
        step = add_step(parser, PEER_SEND);
        if (!step)
            return -1;
        if (parser->words > 1 && parser->word[1].quoted) {
            step->action = PEER_SEND_TEXT;
            return add_text(parser, step, 1);
        }
        return number_at(parser, 1, "a number of bytes or a string", 1, 1 << 24, &step->number) != 0
                   ? -1
                   : end_of_line(parser, 2);
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        int takes = actions[i].takes;

        if (!is(parser, 0, actions[i].name))
            continue;
        step = add_step(parser, actions[i].action);
        if (step && (step->action == PEER_UDP || step->action == PEER_UDP_BIND))
            parser->udp = 1;
        else if (step && (step->action == PEER_CONNECT || step->action == PEER_ACCEPT))
            parser->udp = 0;
        if (!step || (takes == 'p' && needs_udp(parser) != 0) ||
            (takes == 'a' && address_at(parser, 1, step) != 0) ||
            (takes == 'b' &&
             number_at(parser, 1, "a number of bytes or datagrams", 1, 1 << 24, &step->number) != 0) ||
            (takes == 'p' && number_at(parser, 1, "a percentage", 0, 100, &step->number) != 0) ||
            (takes == 't' && duration_at(parser, 1, &step->number) != 0))
            return -1;
        return end_of_line(parser, takes ? 2 : 1);
    }
    return expected(parser,
                    "connect, listen, accept, udp, udp-bind, send, burst, answer, receive, drain, lose, "
                    "expect, shutdown, reset, close, vanish, wait, patience or end, found \"%s\"",
                    word_at(parser, 0));
}

/* ---- a peer's first and last line --------------------------------------------------------------------- */

static int host_of(struct parser *parser, int index)
{
    for (size_t i = 0; i < parser->scenario->hosts; i++)
        if (is(parser, index, parser->scenario->host[i]))
            return (int)i + 1;
    return expected(parser, "the address of a host that a line \"host ADDRESS\" has named, found \"%s\"",
                    word_at(parser, index));
}

static int peer_begin(struct parser *parser)
{
    int index = 1, host;
    uint64_t times;

    parser->peer = scenario_add_peer(parser->scenario, NULL);
    if (!parser->peer)
        return expected(parser, "more memory");
    parser->peer_line = parser->line;
    parser->udp = 0;
    parser->times = 1;
    if (index < parser->words && !is(parser, index, "at") && !is(parser, index, "from") &&
        !is(parser, index, "times")) {
        snprintf(parser->peer->name, sizeof parser->peer->name, "%.23s", word_at(parser, index));
        index++;
    }
    for (; index < parser->words; index += 2) {
        if (is(parser, index, "at")) {
            if (duration_at(parser, index + 1, &parser->peer->at_ns) != 0)
                return -1;
        } else if (is(parser, index, "from")) {
            host = host_of(parser, index + 1);
            if (host < 0)
                return -1;
            parser->peer->host = host;
        } else if (is(parser, index, "times")) {
            if (number_at(parser, index + 1, "how many of them", 1, 64, &times) != 0)
                return -1;
            parser->times = (unsigned)times;
        } else {
            return expected(parser, "\"at TIME\", \"from ADDRESS\" or \"times N\", found \"%s\"",
                            word_at(parser, index));
        }
    }
    return 0;
}

static int copy_peer(struct scenario *scenario, size_t from)
{
    struct peer_plan *copy = scenario_add_peer(scenario, NULL);
    const struct peer_plan *plan;

    if (!copy)
        return -1;
    plan = &scenario->peer[from];
    snprintf(copy->name, sizeof copy->name, "%.14s-%zu", plan->name, scenario->peers - from);
    copy->host = plan->host;
    copy->at_ns = plan->at_ns;
    for (size_t i = 0; i < plan->steps; i++) {
        struct peer_step *step = peer_plan_add(copy, plan->step[i].action, 0);

        if (!step)
            return -1;
        *step = plan->step[i];
        if (step->text) {
            step->text = malloc(step->text_bytes + 1);
            if (!step->text)
                return -1;
            memcpy(step->text, plan->step[i].text, step->text_bytes + 1);
        }
    }
    return 0;
}

static int peer_end(struct parser *parser)
{
    size_t from = parser->scenario->peers - 1;

    if (end_of_line(parser, 1) != 0)
        return -1;
    parser->peer = NULL;
    for (unsigned i = 1; i < parser->times; i++)
        if (copy_peer(parser->scenario, from) != 0)
            return expected(parser, "more memory");
    return 0;
}

/* ---- lines -------------------------------------------------------------------------------------------- */

static int unload_line(struct parser *parser)
{
    if (is(parser, 1, "after-peers")) {
        parser->scenario->unload = UNLOAD_AFTER_PEERS;
        return end_of_line(parser, 2);
    }
    if (!is(parser, 1, "at"))
        return expected(parser, "\"after-peers\" or \"at TIME\", found \"%s\"", word_at(parser, 1));
    parser->scenario->unload = UNLOAD_AT;
    return duration_at(parser, 2, &parser->scenario->unload_ns) != 0 ? -1 : end_of_line(parser, 3);
}

static int provider_line(struct parser *parser)
{
    struct provider_times *times = &parser->scenario->provider;
    int is_delay = is(parser, 1, "delay");
    uint64_t *low = is_delay ? &times->delay_min_ns : &times->leave_min_ns;
    uint64_t *high = is_delay ? &times->delay_max_ns : &times->leave_max_ns;

    if (!is_delay && !is(parser, 1, "leave"))
        return expected(parser, "\"delay TIME\" or \"leave TIME\", found \"%s\"", word_at(parser, 1));
    if (duration_at(parser, 2, low) != 0)
        return -1;
    *high = *low;
    if (parser->words > 3 && duration_at(parser, 3, high) != 0)
        return -1;
    return *low > *high ? expected(parser, "the smaller time first")
                        : end_of_line(parser, parser->words > 3 ? 4 : 3);
}

static int host_line(struct parser *parser)
{
    struct transport_address address;

    if (parser->words < 2 || net_address(parser->word[1].text, 0, &address) != 0)
        return expected(parser, "an address such as 10.0.0.7 or fd00::7, found \"%s\"", word_at(parser, 1));
    if (scenario_add_host(parser->scenario, parser->word[1].text) < 0)
        return expected(parser, "more memory");
    return end_of_line(parser, 2);
}

static int registry_line(struct parser *parser)
{
    if (parser->words < 2)
        return expected(parser, "a value such as Port=dword:5007");
    if (!strchr(parser->word[1].text, '=') || !strchr(parser->word[1].text, ':'))
        return expected(parser, "a value such as Port=dword:5007, found \"%s\"", word_at(parser, 1));
    if (scenario_add_setting(parser->scenario, parser->word[1].text) != 0)
        return expected(parser, "more memory");
    return end_of_line(parser, 2);
}

static int top_line(struct parser *parser)
{
    static const char *const completions[] = {"natural", "always-pend", "inline-when-possible", NULL};
    static const char *const deliveries[] = {"dispatch", "passive", "mixed", NULL};
    static const char *const sends[] = {"sent", "acked", "copied", NULL};
    struct scenario *scenario = parser->scenario;
    uint64_t number;

    if (is(parser, 0, "peer"))
        return peer_begin(parser);
    if (is(parser, 0, "weather"))
        return weather_line(parser);
    if (is(parser, 0, "unload"))
        return unload_line(parser);
    if (is(parser, 0, "provider"))
        return provider_line(parser);
    if (is(parser, 0, "host"))
        return host_line(parser);
    if (is(parser, 0, "registry"))
        return registry_line(parser);
    if (is(parser, 0, "completion"))
        return choice_at(parser, 1, completions, &scenario->completion) != 0 ? -1 : end_of_line(parser, 2);
    if (is(parser, 0, "deliver"))
        return choice_at(parser, 1, deliveries, &scenario->deliver) != 0 ? -1 : end_of_line(parser, 2);
    if (is(parser, 0, "send-complete"))
        return choice_at(parser, 1, sends, &scenario->send_complete) != 0 ? -1 : end_of_line(parser, 2);
    if (is(parser, 0, "processors")) {
        if (number_at(parser, 1, "a number of processors", 1, 64, &number) != 0)
            return -1;
        scenario->processors = (unsigned)number;
        return end_of_line(parser, 2);
    }
    return expected(
        parser,
        "peer, host, weather, unload, provider, registry, completion, deliver, send-complete or processors, "
        "found \"%s\"",
        word_at(parser, 0));
}

static int parse_line(struct parser *parser, const char *line)
{
    if (split(parser, line) != 0)
        return -1;
    if (parser->words == 0)
        return 0;
    if (parser->peer)
        return is(parser, 0, "end") ? peer_end(parser) : peer_line(parser);
    return top_line(parser);
}

int32_t scenario_parse(struct scenario *scenario, const char *name, const char *text,
                       struct uwsk_problem *problem)
{
    struct parser parser = {.scenario = scenario, .name = name, .problem = problem};
    int32_t status = STATUS_INVALID_PARAMETER;
    struct text line = {0};

    parser.word = calloc(WORDS, sizeof *parser.word);
    if (!parser.word) {
        explore_problem(problem, STATUS_INSUFFICIENT_RESOURCES, "%s: out of memory", name);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    text_add(&scenario->source, "%s%s", text, *text && text[strlen(text) - 1] != '\n' ? "\n" : "");
    while (*text) {
        size_t length = strcspn(text, "\n");

        parser.line++;
        line.length = 0;
        text_bytes(&line, text, length);
        if (parse_line(&parser, text_of(&line)) != 0)
            goto out;
        text += length + (text[length] == '\n');
    }
    if (parser.peer) {
        parser.line++;
        expected(&parser, "\"end\" of the peer that begins in line %d", parser.peer_line);
        goto out;
    }
    status = STATUS_SUCCESS;
out:
    text_free(&line);
    free(parser.word);
    return status;
}
