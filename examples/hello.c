/* The smallest host: says hello to a pump, and reads from its refusal which protocol it speaks.
   thecal emulate --link /tmp/pump &  cc -o hello hello.c && ./hello /tmp/pump
   The protocol: docs/reference/protocol.md. Not a medical device. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { HELLO = 1, HEADER = 7, LONGEST = 256 };

static uint32_t crc32(const uint8_t *data, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t at = 0; at < size; at++) {
        crc ^= data[at];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* COBS, in place: the body stands at buffer[1..end), buffer[0] is the first code byte. */
static void stuff(uint8_t *buffer, size_t end) {
    size_t code_at = 0;
    for (size_t at = 1; at < end; at++)
        if (buffer[at] == 0) { buffer[code_at] = (uint8_t)(at - code_at); code_at = at; }
    buffer[code_at] = (uint8_t)(end - code_at);
}

static int unstuff(uint8_t *buffer, size_t end) {
    for (size_t at = 0, next; at < end; at = next) {
        next = at + buffer[at];
        if (next == at || next > end) return 0;
        buffer[at] = 0;
    }
    return 1;
}

int main(int count, char **arguments) {
    int line = count == 2 ? open(arguments[1], O_RDWR | O_NOCTTY) : -1;
    struct termios raw;
    if (line < 0) { fprintf(stderr, "usage: hello PORT, such as /dev/ttyACM0\n"); return 2; }
    if (tcgetattr(line, &raw) == 0) { cfmakeraw(&raw); tcsetattr(line, TCSANOW, &raw); }
    /* An empty frame first; then flags, session, seq, opcode; protocol 3, a table hash of no bytes, a nonce. */
    uint8_t frame[LONGEST + 1] = {0, 0, 0x10, 0, 0, 7, 0, HELLO, 3, 0, 7, 0, 0, 0}, *start = frame + 1;
    uint32_t crc = crc32(frame + 2, 12);
    for (int byte = 0; byte < 4; byte++) frame[14 + byte] = (uint8_t)(crc >> 8 * byte);
    stuff(start, 17);
    frame[18] = 0;
    if (write(line, frame, 19) != 19) { perror("write"); return 1; }
    uint8_t answer[LONGEST];
    size_t size = 0;
    struct pollfd ready = {line, POLLIN, 0};
    while (size < LONGEST && poll(&ready, 1, 5000) > 0 && read(line, answer + size, 1) == 1) {
        if (answer[size++]) continue;
        if (size > HEADER + 6 && unstuff(answer, size - 1) && answer[1] == 0x11 && answer[4] == 7 && answer[7]) {
            printf("%.*s\n", answer[8], (char *)answer + 9); /* "protocol 3, table 0123456789abcdef" */
            return 0;
        }
        size = 0; /* noise, or somebody else's */
    }
    fprintf(stderr, "no pump answers on %s\n", arguments[1]);
    return 1;
}
