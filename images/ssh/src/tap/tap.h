/* A library inside sshd that watches what passes between its processes and the outside.
 *
 * sshd is several processes: the listener, one process a connection (which turns into the privileged
 * monitor) and an unprivileged child before login; after login there is a session process. Each hook
 * asks `role` which of them it runs in. Nothing here changes what the client sees but the version
 * it is told and the refusal of forwarded ports. */
#ifndef TAP_H
#define TAP_H

#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOOK __attribute__((visibility("default")))

/* The function that ours stands in front of. Looked up on first use: libraries that are initialised
 * before this one already call through the hooks. */
#define REAL(name)                                                        \
  ({                                                                      \
    static __typeof__(name) *real_##name;                                 \
    if (real_##name == NULL) real_##name = real_function(#name);          \
    real_##name;                                                          \
  })

enum role {
  ROLE_NONE,     /* not started, or not in sshd */
  ROLE_LISTENER, /* accepts connections */
  ROLE_GREETING, /* a connection's process until it splits in two */
  ROLE_MONITOR,  /* its privileged half, until somebody is logged in */
  ROLE_MUTE,     /* the sandboxed half, or a helper: may not even make an unusual system call */
  ROLE_SESSION,  /* any process of a login */
};

struct login {
  char session[17];
  char address[INET6_ADDRSTRLEN];
  char port[6];
  char principal[256];
};

extern enum role role;
extern struct login login;
extern char claimed_version[];

void *real_function(const char *name);

/* event.c: events to init; source address and session are added to each. */
void event_descriptor(int descriptor);
int event_channel(void);
void event_mute(void);
void event_start(const char *id);
void event_text(const char *name, const char *value);
void event_bytes(const char *name, const void *value, size_t length);
void event_base64(const char *name, const void *value, size_t length);
void event_send(void);
void event_send_with(int descriptor);

/* greeting.c: the client's first line. */
void greeting_read(int descriptor, const unsigned char *bytes, size_t length);

/* monitor.c: the messages between sshd's two halves before login. */
void monitor_socket(int descriptor);
bool monitor_is(int descriptor);
void monitor_read(const unsigned char *bytes, size_t length);
void monitor_written(const unsigned char *bytes, size_t length);
bool monitor_considers_key(void);

/* pretend.c: every user exists, as far as the sandboxed half knows. */
ssize_t pretend_write(int descriptor, const unsigned char *bytes, size_t size);
void pretend_told(const unsigned char *bytes, size_t length);
bool pretend_title(const char *format, va_list arguments);

/* session.c: what a login runs. */
void session_begin(void);
void session_executes(char *const argv[]);

/* input.c: what is sent to a shell that has no terminal. */
void input_begin(void);
void input_pair(const int pair[2]);
void input_forked(pid_t child);
void input_is_shell(void);
void input_written(int descriptor, const unsigned char *bytes, size_t length);
void input_flush(void);

/* terminal.c: what passes through a pseudo terminal's master side. */
struct terminal;
struct terminal *terminal_of(int descriptor);
int terminal_number(const struct terminal *terminal);
void terminal_closed(struct terminal *terminal);
void terminal_before_input(struct terminal *terminal, int descriptor);
void terminal_input(struct terminal *terminal, const unsigned char *bytes, size_t length);
void terminal_output(struct terminal *terminal, int descriptor, const unsigned char *bytes, size_t length);

#endif
