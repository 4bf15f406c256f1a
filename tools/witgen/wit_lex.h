#ifndef WITGEN_WIT_LEX_H
#define WITGEN_WIT_LEX_H

#include "wit.h"

enum wit_token_kind { WIT_TOKEN_END, WIT_TOKEN_NAME, WIT_TOKEN_NUMBER, WIT_TOKEN_PUNCTUATION, WIT_TOKEN_BAD };

struct wit_token {
    enum wit_token_kind kind;
    struct wit_pos pos;
    struct slice text; /* a name's without the leading % */
    bool escaped;      /* had it: never a keyword */
};

/* One token ahead is in `token`. */
struct wit_lexer {
    struct wit_document *document;
    const char *at, *end;
    struct wit_pos pos; /* of `at` */
    struct wit_token token;
};

void wit_lex_start(struct wit_lexer *lexer, struct wit_document *document, const char *file, const char *text, size_t size);
void wit_lex_next(struct wit_lexer *lexer);

bool wit_lex_is(const struct wit_lexer *lexer, const char *punctuation);
bool wit_lex_is_keyword(const struct wit_lexer *lexer, const char *keyword);

#endif
