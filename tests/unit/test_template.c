/* SPDX-License-Identifier: Apache-2.0
 * The prompt template: what it renders, what it refuses, and its bounds. */
#include "control/config/template.h"

#include "common/cleanup.h"
#include "control/config/prompts.h"

#include <criterion/criterion.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1024 * 1024 };

static const char variables[] =
    "{\"issue\":{\"identifier\":\"MT-7\",\"title\":\"Fix <b>\","
    "\"description\":null,\"priority\":2,\"labels\":[\"api\",\"bug\"],"
    "\"blocked_by\":[{\"identifier\":\"MT-1\",\"state\":\"Done\"},"
    "{\"identifier\":\"MT-2\",\"state\":\"Todo\"}],\"empty\":\"\","
    "\"none\":[],\"ok\":true,\"ratio\":0.5,\"name\":\"\xC3\xA4rger\"},"
    "\"attempt\":null}";

static char *
render(const char *text, size_t max, struct err *err)
{
    struct json *root = json_parse(variables, strlen(variables), 4096, err);
    cr_assert_not_null(root, "%s", err->message);
    struct buf out;
    buf_init(&out, max);
    int rc = template_render(text, root, &out, err);
    json_free(root);
    if (rc == 0)
        return buf_steal(&out);
    buf_free(&out);
    return NULL;
}

static void
expect(const char *text, const char *wanted)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *got = render(text, 65536, &err);
    cr_expect_not_null(got, "%s: %s", text, err.message);
    if (got != NULL)
        cr_expect_str_eq(
            got, wanted, "%s gives \"%s\", not \"%s\"", text, got, wanted);
}

static void
expect_failure(const char *text, const char *message)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *got = render(text, 65536, &err);
    cr_expect_null(got, "%s gives \"%s\"", text, got);
    cr_expect_eq(err.code, ERR_CONFIG);
    cr_expect_not_null(strstr(err.message, message),
        "%s: \"%s\" is not in "
        "\"%s\"",
        text, message, err.message);
}

Test(template, renders)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"", ""},
        {"plain { text } % }}", "plain { text } % }}"},
        {"{{ issue.identifier }}: {{issue.title}}", "MT-7: Fix <b>"},
        {"{{ issue[\"identifier\"] }} {{ issue.labels[0] }} "
         "{{ issue.labels[-1] }}",
            "MT-7 api bug"},
        {"[{{ issue.labels[9] }}]", "[]"},
        {"[{{ issue.description }}]", "[]"},
        {"{{ issue.priority }} {{ issue.ratio }} {{ issue.ok }}", "2 0.5 true"},
        {"{{ issue.labels }}", "apibug"},
        {"{{ issue.labels.size }} {{ issue.labels.first }} "
         "{{ issue.labels.last }} {{ issue.name.size }}",
            "2 api bug 5"},
        {"{{ 'a' }}{{ \"b\" }}{{ 3 }}{{ -4.5 }}{{ nil }}{{ true }}",
            "ab3-4.5true"},
        /* filters */
        {"{{ issue.description | default: \"none\" }}", "none"},
        {"{{ issue.empty | default: 'e' }}{{ issue.none | default: 'n' }}"
         "{{ issue.title | default: 't' }}",
            "enFix <b>"},
        {"{{ 'aB' | upcase }}{{ 'aB' | downcase }}{{ 'aBC' | capitalize }}",
            "ABabAbc"},
        {"[{{ '  x ' | strip }}]", "[x]"},
        {"{{ issue.labels | join: ', ' }} {{ issue.labels | join }}",
            "api, bug api bug"},
        {"{{ issue.labels | size }}{{ issue.name | size }}", "25"},
        {"{{ issue.labels | first }}{{ issue.labels | last | upcase }}",
            "apiBUG"},
        {"{{ issue.title | escape }}", "Fix &lt;b&gt;"},
        {"{{ 'abcdefgh' | truncate: 5 }} {{ 'abcdefgh' | truncate: 5, '' }} "
         "{{ 'abc' | truncate: 5 }} {{ 'abcdef' | truncate: 2 }}",
            "ab... abcde abc ..."},
        {"{{ issue.name | truncate: 2, '' }}", "\xC3\xA4r"},
        {"{{ 'a-b-c' | replace: '-', '+' }}{{ 'a-b' | replace: '-' }}",
            "a+b+cab"},
        {"{{ issue.labels | json }} {{ issue.title | json }} "
         "{{ issue.description | json }} {{ 3 | json }}",
            "[\"api\",\"bug\"] \"Fix <b>\" null 3"},
        /* conditions */
        {"{% if issue.ok %}y{% else %}n{% endif %}", "y"},
        {"{% if issue.description %}y{% else %}n{% endif %}", "n"},
        {"{% if issue.empty %}y{% endif %}", "y"},
        {"{% if issue.priority == 1 %}1{% elsif issue.priority == 2 %}2"
         "{% else %}x{% endif %}",
            "2"},
        {"{% unless issue.ok %}y{% else %}n{% endunless %}", "n"},
        {"{% unless issue.description %}y{% endunless %}", "y"},
        {"{% if issue.title == 'Fix <b>' and issue.priority < 3 %}y{% endif %}",
            "y"},
        {"{% if issue.priority >= 3 or issue.priority <= 2 %}y{% endif %}",
            "y"},
        {"{% if issue.priority > 1 %}y{% endif %}{% if 1 != 2 %}z{% endif %}"
         "{% if 1 <> 1 %}w{% endif %}",
            "yz"},
        {"{% if issue.labels contains 'bug' %}y{% endif %}"
         "{% if issue.labels contains 'bu' %}z{% endif %}"
         "{% if issue.title contains 'ix' %}t{% endif %}",
            "yt"},
        /* from the right: true or (false and false) */
        {"{% if true or false and false %}y{% endif %}", "y"},
        {"{% if false and false or true %}y{% else %}n{% endif %}", "n"},
        {"{% if attempt %}again{% endif %}", ""},
        {"{% if issue.description == nil %}y{% endif %}", "y"},
        {"{% if issue.description < 3 %}y{% else %}n{% endif %}", "n"},
        /* loops */
        {"{% for l in issue.labels %}{{ l }}{% unless forloop.last %},"
         "{% endunless %}{% endfor %}",
            "api,bug"},
        {"{% for b in issue.blocked_by %}{{ forloop.index }}/"
         "{{ forloop.length }} {{ b.identifier }}={{ b.state }};{% endfor %}",
            "1/2 MT-1=Done;2/2 MT-2=Todo;"},
        {"{% for a in issue.labels %}{% for b in issue.labels %}"
         "{{ forloop.index0 }}{{ forloop.rindex }}{% if forloop.first %}{{ a }}"
         "{% endif %}{% endfor %}{{ forloop.rindex0 }} {% endfor %}",
            "02api111 02bug110 "},
        {"{% for l in issue.none %}x{% else %}nothing{% endfor %}", "nothing"},
        {"{% for l in issue.description %}x{% endfor %}", ""},
        /* comment, raw, blanks */
        {"a{% comment %}{{ nope }}{% if %}{% endcomment %}b", "ab"},
        {"{% raw %}{{ x }} {% if %}{% endraw %}!", "{{ x }} {% if %}!"},
        {"{% raw %}{% endrawx %} endraw{%- endraw %}", "{% endrawx %} endraw"},
        {"a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc"},
        {"a  {{- 'x' -}}  b", "axb"},
        {"a {%- comment -%} x {%- endcomment -%} b", "ab"},
        {"[{% raw -%} x {%- endraw %}]", "[x]"},
        {"{{-3}}", "3"},
        {"{{ -3 }}", "-3"},
        {"{{ '}' }}", "}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(cases[i].text, cases[i].wanted);
}

Test(template, fails_with_the_line)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"a\n\n{{ isue.title }}",
            "template_render_error: line 3: unknown variable \"isue.title\"; "
            "did you mean \"issue\"?"},
        {"{{ issue.titel }}",
            "template_render_error: line 1: unknown variable \"issue.titel\"; "
            "did you mean \"title\"?"},
        {"{{ issue.description.x }}", "unknown variable"},
        {"{{ issue.title.x }}", "unknown variable"},
        {"{% if\n issue.nope %}{% endif %}",
            "template_render_error: line 1: unknown variable \"issue.nope\""},
        {"{% if false %}{{ 'a' | upcas }}{% endif %}",
            "template_render_error: line 1: unknown filter \"upcas\"; did you "
            "mean \"upcase\"?"},
        {"\n{{ x | zzzzzzzz }}", "line 2: unknown filter \"zzzzzzzz\""},
        {"{{ forloop.index }}", "unknown variable \"forloop.index\""},
        {"{% for l in issue.labels %}{{ forloop.x }}{% endfor %}",
            "unknown variable \"forloop.x\""},
        {"{% for l in issue.labels %}{{ forloop }}{% endfor %}",
            "forloop has no text"},
        {"{% for l in issue.title %}{% endfor %}",
            "\"issue.title\" is a string, not a list"},
        {"{% if true %}\n\n{{ nope }}{% endif %}", "line 3: unknown variable"},
        {"{% if false %}{% elsif nope %}{% endif %}", "unknown variable"},
        {"{{ issue.title | join: ',' }}",
            "line 1: the filter \"join\": needs a list, not a string"},
        {"{{ 'a' | truncate: 'x' }}", "needs a length"},
        {"{{ 'a' | replace: '' , 'b' }}", "needs a text to look for"},
        {"{% if 1 < 'a' %}{% endif %}", "cannot compare a number with a"},
        {"{% if issue.labels == issue.labels %}{% endif %}", "cannot compare"},
        {"{% if 3 contains 3 %}{% endif %}", "a number cannot contain"},
        {"{{ issue.title[0] }}", "a string has no places by number"},
        {"{{ issue[nil] }}", "nothing is no key"},
        /* parsing */
        {"a\n{{ issue.title", "template_parse_error: line 2: {{ is never "
                              "closed by }}"},
        {"{% if true", "{% is never closed by %}"},
        {"{{ }}", "something is missing"},
        {"{{ | upcase }}", "unexpected \"|\""},
        {"{{ issue. }}", "something is missing"},
        {"{{ issue.title extra }}", "unexpected \"extra\""},
        {"{{ 'a }}", "unexpected \"'\""},
        {"{{ 'a' | }}", "something is missing"},
        {"{{ 'a' | default }}", "the filter \"default\" has 0 arguments"},
        {"{{ 'a' | upcase: 1 }}", "the filter \"upcase\" has 1 arguments"},
        {"{{ 'a' | replace: 1, 2, 3 }}", "too many arguments"},
        {"{% %}", "a tag has no name"},
        {"{% assign x = 1 %}",
            "template_parse_error: line 1: unknown tag \"assign\""},
        {"{% if %}{% endif %}", "something is missing"},
        {"{% if true and %}{% endif %}", "something is missing"},
        {"{% if true xor false %}{% endif %}", "unexpected \"xor\""},
        {"x\n{% if true %}\n", "line 2: there is no {% endif %}"},
        {"{% if true %}\n{% endfor %}",
            "line 2: unexpected {% endfor %}; the tag on line 1 ends with {% "
            "endif %}"},
        {"{% if true %}{% else %}{% else %}{% endif %}",
            "unexpected {% else %}"},
        {"{% endif %}", "{% endif %} ends nothing"},
        {"{% for x issue.labels %}{% endfor %}", "expected {% for x in list"},
        {"{% for x in issue.labels limit:2 %}{% endfor %}",
            "unexpected \"limit\""},
        {"{% raw %}x", "there is no {% endraw %}"},
        {"\n{% comment %}x", "line 2: there is no {% endcomment %}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_failure(cases[i].text, cases[i].message);
}

static void
repeat(struct buf *out, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_puts(out, text);
}

Test(template, bounds_the_nesting)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    repeat(&text, "{% if true %}", 33);
    repeat(&text, "{% endif %}", 33);
    expect_failure(buf_str(&text), "nested too deeply");
    buf_clear(&text);
    buf_puts(&text, "{{ ");
    repeat(&text, "issue[", 40);
    repeat(&text, "]", 40);
    buf_puts(&text, " }}");
    expect_failure(buf_str(&text), "nested too deeply");
    buf_clear(&text);
    buf_puts(&text, "{% if true ");
    repeat(&text, "and true ", 40);
    buf_puts(&text, "%}{% endif %}");
    expect_failure(buf_str(&text), "too many conditions");
    buf_free(&text);
}

Test(template, bounds_the_output)
{
    struct err err = ERR_INIT;
    cr_expect_null(render("{{ issue.title }} and more", 10, &err));
    cr_expect_not_null(
        strstr(err.message, "makes more than 10 bytes"), "%s", err.message);
}

Test(template, bounds_loops_and_work)
{
    /* 2^14 rounds of nested loops over two labels. */
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    repeat(&text, "{% for l in issue.labels %}", 14);
    repeat(&text, "{% endfor %}", 14);
    expect_failure(buf_str(&text), "loops too often");
    buf_clear(&text);
    /* each filter makes the text ten times as long */
    buf_puts(&text, "{{ 'aaaaaaaaaa'");
    repeat(&text, " | replace: 'a', 'aaaaaaaaaa'", 8);
    buf_puts(&text, " }}");
    expect_failure(buf_str(&text), "makes too much text");
    buf_free(&text);
}

Test(template, the_default_prompt_renders)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *got = render(PROMPTS_DEFAULT, 65536, &err);
    cr_assert_not_null(got, "%s", err.message);
    cr_expect_not_null(strstr(got, "issue MT-7"));
    cr_expect_not_null(strstr(got, "Title: Fix <b>\nLabels: api, bug\n"));
    cr_expect_not_null(strstr(got, "(none: the title says it all)"));
    cr_expect_not_null(strstr(got, "\nRISOLUTO_STATUS: DONE\n"));
    cr_expect_not_null(strstr(got, "\nRISOLUTO_STATUS: BLOCKED\n"));
    cr_expect_null(strstr(got, "This is attempt"));
}
