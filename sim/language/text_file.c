#include "sim/language/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SIZE 65536 /* bytes; the size that a file says of itself may change, or be 0 in /proc */

static const char *kind_of_file(mode_t mode)
{
    static const struct {
        mode_t kind;
        const char *name;
    } kinds[] = {{S_IFDIR, "a folder"},
                 {S_IFIFO, "a pipe"},
                 {S_IFCHR, "a device"},
                 {S_IFBLK, "a device"},
                 {S_IFSOCK, "a socket"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if ((mode & S_IFMT) == kinds[i].kind)
            return kinds[i].name;
    return "something else";
}

static void say_unreadable(char why[TEXT_FILE_WHY])
{
    snprintf(why, TEXT_FILE_WHY, "cannot be read: %.80s", strerror(errno));
}

/* Does not wait for who may write into a pipe. */
static int open_file(const char *path, char why[TEXT_FILE_WHY])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0)
        say_unreadable(why);
    else if (!S_ISREG(st.st_mode))
        snprintf(why, TEXT_FILE_WHY, "is %s, not a file", kind_of_file(st.st_mode));
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* One byte more than `max` tells that there are more. */
static char *read_all(int fd, size_t max, size_t *len, char why[TEXT_FILE_WHY])
{
    char *text = NULL;
    size_t cap = 0;
    ssize_t n = 1;
    for (*len = 0; n > 0 && *len <= max; *len += n > 0 ? (size_t)n : 0) {
        if (*len == cap) {
            cap = cap ? 2 * cap : FIRST_SIZE;
            cap = cap > max ? max + 1 : cap;
            text = realloc(text, cap + 1);
            if (!text)
                abort();
        }
        n = read(fd, text + *len, cap - *len);
    }
    if (n < 0)
        say_unreadable(why);
    else if (*len > max)
        snprintf(why, TEXT_FILE_WHY, "is longer than %zu bytes", max);
    if (n == 0 && *len <= max) {
        text[*len] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

char *text_file_read(const char *path, size_t max, size_t *len, char why[TEXT_FILE_WHY])
{
    int fd = open_file(path, why);
    char *text = fd < 0 ? NULL : read_all(fd, max, len, why);
    if (fd >= 0)
        close(fd);
    return text;
}

enum text_line text_line_read(FILE *f, char *out, size_t cap)
{
    size_t len = 0, passed = 0;
    bool too_long = false, zero = false;
    int c = EOF;
    while (passed++ <= TEXT_LINE_PASSED_MAX && (c = getc_unlocked(f)) != EOF && c != '\n') {
        zero |= c == 0;
        too_long |= !zero && len + 1 == cap;
        if (!zero && !too_long)
            out[len++] = (char)c;
    }
    out[len] = '\0';
    if (passed > TEXT_LINE_PASSED_MAX + 1)
        return TEXT_LINE_ENDLESS;
    if (zero)
        return TEXT_LINE_ZERO;
    if (too_long)
        return TEXT_LINE_LONG;
    if (c == EOF)
        return len ? TEXT_LINE_LAST : TEXT_LINE_NONE;
    return TEXT_LINE_WHOLE;
}

const char *text_line_why(enum text_line got)
{
    static const char *const why[] = {
        [TEXT_LINE_LONG] = "a line is too long",
        [TEXT_LINE_ZERO] = "a byte of value zero: not a text",
        [TEXT_LINE_ENDLESS] = "a line of more than 1 MB: what follows is not read",
    };
    return got < sizeof why / sizeof why[0] ? why[got] : NULL;
}
