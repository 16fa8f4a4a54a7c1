// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* test_spec_docs.c: docs/spec-conformance.md says of every field what the parser's table does.
 * In: the page, found from where this file stands.  Out: each row that one side lacks.  Never:
 * the remarks, which are for people. */
#include "check.h"
#include "spec/fields.h"

enum { PAGE_BYTES = 1 << 16 };

/* The page's bytes; exits when it cannot be read. */
static char *read_page(void)
{
    const char *slash = strrchr(__FILE__, '/');
    char path[4096], *page = calloc(1, PAGE_BYTES);
    snprintf(path, sizeof path, "%.*s/../../../docs/spec-conformance.md",
             slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".");
    FILE *file = fopen(path, "re");
    if (!file || !page || fread(page, 1, PAGE_BYTES - 1, file) == 0) {
        printf("  %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return page;
}

static const char *fate_word(enum prl_spec_fate fate)
{
    if (fate == PRL_SPEC_REFUSED)
        return "refused";
    return fate == PRL_SPEC_IGNORED ? "ignored" : "supported";
}

/* Rows of the table that the page lacks or contradicts; *rows counts all of them. */
static int missing_rows(const char *page, const struct prl_spec_field *fields,
                        const char *prefix, int *rows)
{
    int missing = 0;
    for (const struct prl_spec_field *f = fields; f && *f->key; f++) {
        char path[256], row[320];
        snprintf(path, sizeof path, "%s%s", prefix, f->key);
        snprintf(row, sizeof row, "\n| `%s` | %s |", path, fate_word(f->fate));
        ++*rows;
        if (!strstr(page, row)) {
            printf("  the page lacks \"%s\"\n", row + 1);
            missing++;
        }
        snprintf(row, sizeof row, "%s%s.", path, f->type == PRL_SPEC_OBJECTS ? "[]" : "");
        missing += missing_rows(page, prl_spec_inner_fields(f), row, rows);
    }
    return missing;
}

/* Rows whose first cell is one word of letters, dots and brackets in backquotes. */
static int page_rows(const char *page)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.[]";
    int rows = 0;
    for (const char *p = strstr(page, "\n| `"); p; p = strstr(p + 1, "\n| `"))
        rows += strncmp(p + 4 + strspn(p + 4, letters), "` |", 3) == 0;
    return rows;
}

TEST(the_page_has_every_field_and_no_other)
{
    char *page = read_page();
    int rows = 0, missing = missing_rows(page, prl_spec_root_fields, "", &rows);
    char *options = strstr(page, "## Options of a mount");
    CHECK_INT(missing, 0);
    CHECK(options);
    *options = '\0';
    CHECK_INT(page_rows(page), rows);
    free(page);
}
