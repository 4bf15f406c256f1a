/* http_loop URL COUNT: so many GETs one after the other by one of libcurl's easy handles; prints the milliseconds they took. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t ignore(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    CURL *easy = curl_easy_init();
    if (argc != 3 || easy == NULL)
        return 2;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    double start = 0;
    for (int i = 0, count = atoi(argv[2]); i <= count; i++) {
        if (i == 1)
            start = now_ms(); /* the first connects */
        if (curl_easy_perform(easy) != CURLE_OK)
            return 1;
    }
    printf("%.3f\n", now_ms() - start);
    return 0;
}
