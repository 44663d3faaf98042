#include "relay.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/record.h"
#include "logfile.h"
#include "output.h"
#include "owner.h"

enum { FIELDS_MAX = 32, TAG_MAX = 48 };

static char version[256];
static struct line line;

void relay_version(const char *claimed) { snprintf(version, sizeof version, "%s", claimed); }

struct part {
  const char *bytes;
  size_t length;
};

static bool take(const unsigned char *bytes, size_t size, size_t *at, struct part *part) {
  const unsigned char *string;
  if (!record_next(bytes, size, at, &string, &part->length)) return false;
  part->bytes = (const char *)string;
  return true;
}

static bool is(struct part part, const char *text) {
  return part.length == strlen(text) && memcmp(part.bytes, text, part.length) == 0;
}

static void keep(struct part part, char *text, size_t size) {
  snprintf(text, size, "%.*s", (int)(part.length < size ? part.length : size - 1), part.bytes);
}

struct login *relay_record(const unsigned char *bytes, size_t size, pid_t sender) {
  struct part id, message, name, value;
  char session[SESSION_MAX + 1] = "", address[ADDRESS_MAX + 1] = "", port[6] = "", principal[64] = "";
  struct login *login = NULL;
  size_t at = 0;
  if (!take(bytes, size, &at, &id) || !take(bytes, size, &at, &message)) return NULL;
  line_start(&line, id.bytes, id.length);
  for (int i = 0; i < FIELDS_MAX && take(bytes, size, &at, &name) && take(bytes, size, &at, &value); i++) {
    line_field(&line, name.bytes, name.length, value.bytes, value.length);
    if (is(name, "session")) keep(value, session, sizeof session);
    if (is(name, "src_ip")) keep(value, address, sizeof address);
    if (is(name, "src_port")) keep(value, port, sizeof port);
    if (is(name, "principal")) keep(value, principal, sizeof principal);
  }
  line_finish(&line, message.bytes, message.length);
  if (is(id, "session_opened")) {
    /* Every command of a multiplexed connection opens a session; the login has only one. */
    struct login *opened = logins_find(session);
    if (opened != NULL && opened->opened) return NULL;
    owner_opened(session, address, port, principal);
    if (opened != NULL) {
      opened->opened = true;
      opened->opened_at = logins_clock();
    }
  }
  output_line(&line);
  if (is(id, "connect")) login = logins_add(sender, session, address, port);
  return login;
}

/* The address and port in a message of sshd ("… A port N") or PAM ("rhost=A"). A user name may contain
 * such words too; sshd writes the real ones after it, so the last ones count. */
static void find_peer(const char *message, char *address, size_t size, char *port) {
  address[0] = port[0] = '\0';
  if (strncmp(message, "Server listening", 16) == 0) return; /* its own address */
  for (const char *at = message; (at = strstr(at, " port ")) != NULL; at++) {
    const char *start = at;
    while (start > message && (isxdigit((unsigned char)start[-1]) || start[-1] == ':' || start[-1] == '.')) start--;
    size_t length = (size_t)(at - start);
    if (length == 0 || length >= size || !isdigit((unsigned char)at[6])) continue;
    snprintf(address, size, "%.*s", (int)length, start);
    snprintf(port, 6, "%.*s", (int)strspn(at + 6, "0123456789"), at + 6);
  }
  const char *at = strstr(message, " rhost=");
  if (address[0] == '\0' && at != NULL) sscanf(at, " rhost=%46[0-9a-fA-F:.]", address);
}

static void started_once(const char *message) {
  static bool started;
  if (started || strncmp(message, "Server listening on ", 20) != 0) return;
  started = true;
  line_start(&line, "service_started", strlen("service_started"));
  line_text_field(&line, "version", version);
  line_finish(&line, "", 0);
  output_line(&line);
}

static char *skip_time(char *text) { /* "Jan  2 03:04:05 ", as syslog(3) writes it */
  if (strlen(text) > 16 && text[3] == ' ' && text[6] == ' ' && text[9] == ':' && text[12] == ':' && text[15] == ' ')
    return text + 16;
  return text;
}

void relay_syslog(char *bytes, size_t size) {
  char tag[TAG_MAX + 1] = "", address[ADDRESS_MAX + 1], port[6];
  int priority = 13; /* user.notice, RFC 3164 section 4.3.3 */
  char *text = bytes, *end;
  bytes[size] = '\0';
  if (*text == '<') {
    long number = strtol(text + 1, &end, 10);
    if (*end == '>' && number >= 0 && number <= 191) {
      priority = (int)number;
      text = end + 1;
    }
  }
  text = skip_time(text);
  for (end = text + strlen(text); end > text && (end[-1] == '\n' || end[-1] == '\r'); end--) end[-1] = '\0';
  size_t tag_length = strcspn(text, "[: ");
  snprintf(tag, sizeof tag, "%.*s", (int)(tag_length < TAG_MAX ? tag_length : TAG_MAX), text);
  logfile_write(priority, text);
  char *message = strstr(text, ": ");
  message = message == NULL ? text : message + 2;
  find_peer(message, address, sizeof address, port);
  line_start(&line, "daemon_log", strlen("daemon_log"));
  line_text_field(&line, "program", tag);
  if (address[0] != '\0') line_text_field(&line, "src_ip", address);
  if (port[0] != '\0') line_text_field(&line, "src_port", port);
  line_finish(&line, message, strlen(message));
  output_line(&line);
  if (strcmp(tag, "sshd") == 0) started_once(message);
}
