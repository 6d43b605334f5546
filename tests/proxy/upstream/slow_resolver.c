/* A resolver that hangs: what a process sees whose name servers do not answer. */
#include <netdb.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    (void)node; (void)service; (void)hints; (void)found;
    sleep(600);
    return EAI_AGAIN;
}
