#include "wit_lex.h"

#include <ctype.h>
#include <string.h>

static void advance(struct wit_lexer *lexer)
{
    if (*lexer->at++ == '\n') {
        lexer->pos.line++;
        lexer->pos.column = 1;
    } else {
        lexer->pos.column++;
    }
}

static bool starts_with(const struct wit_lexer *lexer, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(lexer->end - lexer->at) >= size && memcmp(lexer->at, text, size) == 0;
}

static void skip_line_comment(struct wit_lexer *lexer)
{
    while (lexer->at < lexer->end && *lexer->at != '\n')
        advance(lexer);
}

/* Block comments nest. False: the text ends inside of one. */
static bool skip_block_comment(struct wit_lexer *lexer)
{
    unsigned depth = 0;
    do {
        if (lexer->at >= lexer->end)
            return false;
        bool opens = starts_with(lexer, "/*"), closes = starts_with(lexer, "*/");
        depth += opens ? 1u : 0u;
        depth -= closes ? 1u : 0u;
        if (opens || closes)
            advance(lexer);
        advance(lexer);
    } while (depth > 0);
    return true;
}

static bool skip_blank(struct wit_lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (strchr(" \t\r\n", *lexer->at) != NULL && *lexer->at != '\0')
            advance(lexer);
        else if (starts_with(lexer, "//"))
            skip_line_comment(lexer);
        else if (!starts_with(lexer, "/*"))
            return true;
        else if (!skip_block_comment(lexer))
            return false;
    }
    return true;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) != 0 || c == '-';
}

static void take_while(struct wit_lexer *lexer, bool (*accept)(char c))
{
    lexer->token.text.data = lexer->at;
    while (lexer->at < lexer->end && accept(*lexer->at))
        advance(lexer);
    lexer->token.text.size = (uint32_t)(lexer->at - lexer->token.text.data);
}

static bool is_digit(char c)
{
    return isdigit((unsigned char)c) != 0;
}

/* Words of letters and digits which begin with a letter, all of one case, joined by single hyphens (WIT.md, "Identifiers"). */
static bool is_kebab(struct slice name)
{
    for (uint32_t i = 0; i < name.size;) {
        if (!isalpha((unsigned char)name.data[i]))
            return false;
        bool upper = isupper((unsigned char)name.data[i]) != 0;
        for (; i < name.size && name.data[i] != '-'; i++)
            if (isalpha((unsigned char)name.data[i]) && (isupper((unsigned char)name.data[i]) != 0) != upper)
                return false;
        if (i == name.size)
            break;
        i++; /* the hyphen, which begins another word */
        if (i == name.size)
            return false;
    }
    return name.size > 0;
}

static void lex_name(struct wit_lexer *lexer)
{
    lexer->token.escaped = *lexer->at == '%';
    if (lexer->token.escaped)
        advance(lexer);
    take_while(lexer, is_name_char);
    lexer->token.kind = is_kebab(lexer->token.text) ? WIT_TOKEN_NAME : WIT_TOKEN_BAD;
}

static void lex_punctuation(struct wit_lexer *lexer)
{
    static const char single[] = "{}()<>,;:=./@*_+-";
    unsigned size = starts_with(lexer, "->") ? 2 : 1;
    bool known = size == 2 || memchr(single, *lexer->at, sizeof single - 1) != NULL;
    lexer->token.kind = known ? WIT_TOKEN_PUNCTUATION : WIT_TOKEN_BAD;
    lexer->token.text = (struct slice){lexer->at, size};
    while (size-- > 0)
        advance(lexer);
}

void wit_lex_next(struct wit_lexer *lexer)
{
    bool complete = skip_blank(lexer);
    lexer->token = (struct wit_token){.pos = lexer->pos, .kind = complete ? WIT_TOKEN_END : WIT_TOKEN_BAD};
    if (!complete)
        lexer->token.text = (struct slice){"/*", 2};
    if (lexer->at >= lexer->end)
        return;
    if (is_digit(*lexer->at)) {
        lexer->token.kind = WIT_TOKEN_NUMBER;
        take_while(lexer, is_digit);
    } else if (isalpha((unsigned char)*lexer->at) || *lexer->at == '%') {
        lex_name(lexer);
    } else {
        lex_punctuation(lexer);
    }
}

void wit_lex_start(struct wit_lexer *lexer, struct wit_document *document, const char *file, const char *text,
                   size_t size)
{
    *lexer = (struct wit_lexer){.document = document, .at = text, .end = text + size, .pos = {file, 1, 1}};
    wit_lex_next(lexer);
}

bool wit_lex_is(const struct wit_lexer *lexer, const char *punctuation)
{
    return lexer->token.kind == WIT_TOKEN_PUNCTUATION && wit_slice_is(lexer->token.text, punctuation);
}

bool wit_lex_is_keyword(const struct wit_lexer *lexer, const char *keyword)
{
    return lexer->token.kind == WIT_TOKEN_NAME && !lexer->token.escaped && wit_slice_is(lexer->token.text, keyword);
}
