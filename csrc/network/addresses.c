/* addresses.c: see addresses.h. */
#include "network/addresses.h"

#include <string.h>

socklen_t prl_address_fill(union prl_address *ret, const char *text, uint16_t port)
{
    memset(ret, 0, sizeof *ret);
    if (!strchr(text, ':')) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        inet_pton(AF_INET, text, &ret->v4.sin_addr); /* "": any */
        return sizeof ret->v4;
    }
    inet_pton(AF_INET6, text, &ret->v6.sin6_addr);
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    return sizeof ret->v6;
}
