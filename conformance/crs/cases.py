"""For each rule of the Core Rule Set that has no regression test among those at hand: requests that it must
match, and requests that come close and that it must not match. Both follow from the rule's own text.

A case is (rule, whether it matches, request).
"""

import json

from made import ORDINARY, multipart, percent, posted, written, xml

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"


def query(value, name=b"x"):
    return written(b"GET", b"/get?" + percent(name) + b"=" + percent(value), ORDINARY)


def form(value):
    return posted(FORM, b"x=" + percent(value))


def as_json(value):
    return posted(JSON, json.dumps({"x": value.decode("latin-1")}).encode())


def cookie(value):
    return written(b"GET", b"/get", [*ORDINARY, (b"Cookie", b"c=" + value)])


def field(name, value, target=b"/get"):
    rest = [known for known in ORDINARY if known[0].lower() != name.lower()]
    return written(b"GET", target, [*rest, (name, value)])


def path(target):
    return written(b"GET", target, ORDINARY)


def without(*names):
    return [known for known in ORDINARY if known[0] not in names]


def answer(body, status=200):
    asked = {"status": status, "body": body.decode("latin-1")}
    return posted(JSON, json.dumps(asked).encode(), b"/reflect")


def parts(*heads):
    body = b"".join(b"--b0\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + value + b"\r\n" for head, value in heads)
    return posted(b"multipart/form-data; boundary=b0", body + b"--b0--\r\n")


def everywhere(rule, *values):
    """Values that a rule matches wherever people put them."""
    for value in values:
        for place in (query, form, as_json, cookie):
            if place is not cookie or not any(byte in value for byte in b";\r\n\0"):
                yield rule, True, place(value)
        if not any(byte in value for byte in b"\r\n\t\0\x0b"):
            yield rule, True, xml(value, b"c")


def nowhere(rule, *values):
    for value in values:
        yield from ((rule, False, place(value)) for place in (query, form, as_json))
        yield rule, False, xml(value, b"c")


def answers(rule, right, *wrong):
    yield rule, True, answer(right)
    yield from ((rule, False, answer(body)) for body in wrong)


def protocol():
    yield 920120, True, multipart(b'name="f"; filename="a;b.txt"', b"text")
    yield 920120, True, multipart(b'name="f=g"; filename="a.txt"', b"text")
    yield 920120, False, multipart(b'name="f"; filename="a b-c_d.txt"', b"text")
    yield 920120, False, multipart(b'name="f"; filename="&eacute;"', b"text")
    coding = (b"Transfer-Encoding", b"chunked")
    yield 920171, True, written(b"GET", b"/get", [*ORDINARY, coding])
    yield 920171, True, written(b"HEAD", b"/get", [*ORDINARY, coding])
    yield 920171, False, written(b"POST", b"/post", [*ORDINARY, coding])
    yield 920171, False, written(b"GET", b"/get", ORDINARY)
    yield 920200, True, field(b"Range", b"bytes=1-10, 11-20, 21-30, 31-40, 41-50, 51-60")
    yield 920200, True, field(b"Range", b"bytes=1-,2-,3-,4-,5-,6-")
    yield 920200, False, field(b"Range", b"bytes=1-10, 11-20, 21-30, 31-40, 41-50")
    yield 920200, False, field(b"Range", b"bytes=1-10, 11-20, 21-30, 31-40, 41-50, 51-60", b"/a.pdf")
    yield 920230, True, query(b"%41")
    yield 920230, True, form(b"a%2fb")
    yield 920230, False, query(b"%4")
    yield 920230, False, query(b"100%")
    yield 920270, True, query(b"a\0b")
    yield 920270, True, written(b"GET", b"/get?x%00=1", ORDINARY)
    yield 920270, True, form(b"%00")
    yield 920270, False, query(b"a\x01b")
    yield 920274, True, field(b"X-Other", b"a[b]")
    yield 920274, True, field(b"Accept-Language", b"de\xc3\xa9")
    yield 920274, False, field(b"X-Other", b"a, b; c=d*0.8")
    yield 920274, False, field(b"User-Agent", b"a[b]{c}")
    yield 920274, False, field(b"Sec-Fetch-User", b"?1")
    yield 920300, True, written(b"GET", b"/get", without(b"Accept"))
    yield 920300, False, written(b"OPTIONS", b"/get", without(b"Accept"))
    agent = (b"User-Agent", b"Mozilla/5.0 (Linux; Android 9) AppleWebKit/537.36")
    yield 920300, False, written(b"GET", b"/get", [*without(b"Accept", b"User-Agent"), agent])
    yield 920330, True, field(b"User-Agent", b"")
    yield 920330, False, written(b"GET", b"/get", without(b"User-Agent"))
    yield 920370, True, query(b"a" * 401)
    yield 920370, True, form(b"a" * 401)
    yield 920370, False, query(b"a" * 400)
    yield 920410, True, multipart(b'name="f"; filename="a.txt"', b"a" * 65536)
    yield 920410, False, multipart(b'name="f"; filename="a.txt"', b"a" * 65535)
    for name in (b"Proxy", b"Lock-Token", b"Content-Range", b"X-HTTP-Method-Override", b"x-middleware-subrequest"):
        yield 920450, True, field(name, b"a")
    yield 920450, False, field(b"X-Content-Range", b"a")
    yield 920480, True, posted(b"application/json; charset=utf-7", b"{}")
    yield 920480, True, posted(FORM + b'; charset="garbage"', b"x=1")
    yield 920480, False, posted(b"application/json; charset=UTF-8", b"{}")
    yield 920480, False, posted(FORM + b"; charset='iso-8859-1'", b"x=1")
    yield 920520, True, field(b"Accept-Encoding", b"gzip, " * 17)
    yield 920520, False, field(b"Accept-Encoding", b"gzip, deflate, br")
    yield 920540, True, query(b"\\u0061b")
    yield 920540, True, field(b"X-Other", b"\\U00FF")
    yield 920540, False, posted(JSON, rb'{"x": "\\u0061"}')
    yield 920540, False, query(b"\\u006")
    yield 920540, False, query(b"\\v0061")
    yield 920640, True, written(b"POST", b"/post", ORDINARY, b"x=1")
    yield 920640, False, posted(FORM, b"x=1")
    yield 920640, False, written(b"POST", b"/post", [*ORDINARY, (b"Content-Length", b"0")])
    yield 921151, True, query(b"a\nb")
    yield 921151, True, query(b"a\rb")
    yield 921151, False, form(b"a\nb")
    yield 921240, True, path(b"/unix:" + b"A" * 100 + b"%7Chttp://example.com/")
    yield 921240, True, path(b"/?UNIX:a|b")
    yield 921240, False, path(b"/?unix:a")
    yield 921180, True, path(b"/get?a=1&a=2")
    yield 921180, False, path(b"/get?a=1&b=2")
    charset = lambda text: parts((b'name="_charset_"', text), (b'name="x"', b"1"))
    yield 922100, True, charset(b"utf-7")
    yield 922100, False, charset(b"utf-8")
    typed = lambda kind: parts((b'name="f"; filename="a.txt"\r\nContent-Type: ' + kind, b"1"))
    yield 922110, True, typed(b"text/plain; charset=utf-7")
    yield 922110, False, typed(b"text/plain; charset=utf-8")
    yield 922110, False, typed(b"image/png")


def files():
    yield 930100, True, path(b"/get/%5c../x")
    yield 930100, True, path(b"/a/../../b")
    yield 930100, True, path(b"/get?f=0x5c0x2e.%00/")
    yield 930100, True, query(b"/.%2e/")
    yield 930100, True, query(b"x/..%c0%af")
    yield 930100, False, path(b"/a/b..c/d")
    yield 930100, False, query(b"/./a")
    yield 930130, True, path(b"/.git/config")
    yield 930130, True, path(b"/x/.htpasswd")
    yield 930130, True, path(b"/a/b/../.env")
    yield 930130, False, path(b"/environment")
    yield 930130, False, query(b"/.git/config")
    yield 931120, True, query(b"https://example.com/a?")
    yield 931120, True, form(b"FTP://example.com/x???")
    yield 931120, False, query(b"https://example.com/a?b")
    yield 931120, False, query(b" https://example.com/a?")
    for name in (b"a.php", b"a.PHP5", b"a.phtml", b"a.phar.", b"a.p h p", b"a.phps.."):
        yield 933110, True, multipart(b'name="f"; filename="' + name + b'"', b"text")
    yield 933110, True, field(b"X-Filename", b"a.php")
    yield 933110, True, field(b"X-File-Name", b"a.phpt")
    yield 933110, False, multipart(b'name="f"; filename="a.php.txt"', b"text")
    yield 933110, False, multipart(b'name="f"; filename="graph"', b"text")


def commands():
    yield from everywhere(932125, b"; iwr x", b"| foreach x", b"`md x")
    yield from nowhere(932125, b"an iwr of mine", b"; iwrx")
    yield from everywhere(932160, b"bash -c /bin/bash", b"/etc/../bin/bash")
    yield from everywhere(932160, b"/usr/bin/who^ami", b"b\"in/ca\"t")
    yield from nowhere(932160, b"usr and bin", b"a shell")
    yield from everywhere(932175, b"alias a=b", b"al\\ias -p+ x=id")
    yield from nowhere(932175, b"alias a =b", b"aliases a=b", b"an alias")
    referer = lambda text: field(b"Referer", text)
    yield 932205, True, referer(b"http://example.com/?x=cat /e'tc/passwd")
    yield 932205, True, referer(b"http://example.com/;cat /bin/$a")
    yield 932205, False, referer(b"http://example.com/?x=/e'tc/passwd")
    yield 932205, False, referer(b"http://example.com/?x=cat etc")
    yield 932205, False, referer(b"http://example.com/#;/bin/$a cat")
    yield from everywhere(932220, b"a|ls -l", b"x|id&")
    yield from nowhere(932220, b"|", b"or")
    yield from everywhere(932235, b"; busybox ls", b"| xargs -n1 curl")
    yield from nowhere(932235, b"a busybox on the desk")
    yield 932239, True, field(b"User-Agent", b"bash -c id")
    yield 932239, True, field(b"Referer", b"; mkfifo x")
    yield 932239, False, field(b"User-Agent", b"OWASP CRS test agent")
    yield 932239, False, query(b"; mkfifo x")
    yield from everywhere(932270, b"~+", b"~-", b"~+1", b"a ~-2")
    yield from nowhere(932270, b"~+a", b"~ +", b"+~")
    yield from everywhere(932290, b"w'ho'ami", b'wh"oa"mi', b"'w'hoami")
    yield from nowhere(932290, b"who 'am' i", b'a "b" c', b"O'Brien")
    yield from everywhere(932311, b"a\r\nA000 LOGOUT", b"a\\r\\nA1 FETCH 2,4")
    yield from nowhere(932311, b"A000 LOGOUT", b"a\r\nA000LOGOUT")
    yield from everywhere(932331, b"!1", b"!!", b"a !-1 !2")
    yield from nowhere(932331, b"! 1", b"Hello!", b"!-1")
    yield from everywhere(932371, b"; at 10:00 x", b"| at /every:m cmd")
    yield from nowhere(932371, b"look at this", b"; att")


def languages():
    yield from everywhere(933131, b"HTTP_USER_AGENT", b"$_SERVER[QUERY_STRING]", b"AUTH_TYPE")
    yield from nowhere(933131, b"http_user_agent", b"PATH-INFO")
    yield from everywhere(933151, b"array_map(x)", b"json_validate (x", b"ACOS(1")
    yield from nowhere(933151, b"array_map", b"my_array_map(")
    yield 933151, True, path(b"/array_sum(")
    yield from everywhere(933161, b"abs(1)", b"pi()", b"system/**/(x)", b"time #a\n()")
    yield from nowhere(933161, b"abs", b"abs (", b"cabs(1)")
    yield from everywhere(933200, b"phar://x", b"expect://id", b"ssh2.exec://x", b"PHAR://x", b"ph\"ar://x")
    yield from nowhere(933200, b"http://x", b"phar:/x")
    yield from everywhere(934100, b"_$$ND_FUNC$$_", b"function(){x", b"process.exec(", b"this.constructor")
    yield from nowhere(934100, b"a function", b"evaluate(1)", b"process of law")
    yield from everywhere(934130, b"__proto__", b"constructor.prototype", b"constructor [prototype", b"\\x5f_proto__")
    yield from nowhere(934130, b"proto", b"the constructor, a prototype")
    yield 934130, True, written(b"GET", b"/get?__proto__[x]=1", ORDINARY)
    yield from everywhere(934170, b"data:text/html,a", b"data:*,x", b"data:text/plain;charset=utf-8,a")
    yield from nowhere(934170, b"a data:text/html", b"data: none")
    for name in (b"a__regex", b"a__istartswith", b"user__password__contains", b"x__gte"):
        yield 934210, True, query(b"1", name)
        yield 934210, True, posted(JSON, json.dumps({name.decode(): "1"}).encode())
    yield 934210, False, query(b"1", b"a__regexp")
    yield 934210, False, query(b"a__regex")
    yield from everywhere(944110, b"java.lang.Runtime", b"ProcessBuilder java.", b"runtime unmarshaller")
    yield from nowhere(944110, b"java.lang", b"a runtime error")
    yield 944110, True, field(b"X-Other", b"java.lang.Runtime")
    yield from everywhere(944150, b"${jndi:ldap://x}", b"${a${b", b"$\\u007bjndi:x}", b"&dollar;{ctx:a}")
    yield from nowhere(944150, b"{jndi:x}", b"${env}", b"jndi")
    yield 944150, True, path(b"/$%7bjndi:x%7d")
    yield 944150, True, field(b"User-Agent", b"${jndi:ldap://x}")
    yield from everywhere(944210, b"rO0ABQ", b"xKztAAUx", b"Cs7QAF")
    yield from nowhere(944210, b"ro0abq", b"rO0AB")
    yield from everywhere(944300, b"cnVudGltZQ", b"HJ1bnRpbWU", b"Zm9yY2xvc3VyZQ")
    yield from nowhere(944300, b"CNVUDGLTZQ", b"cnVudGlt")


def scripts():
    yield from everywhere(941110, b"<script>", b"a<SCRIPT x>b", b"&lt;script&gt;", b"\\x3cscript\\x3e", b"%3cscript%3e")
    yield from nowhere(941110, b"<script", b"script>", b"< script>")
    yield 941110, True, path(b"/%3Cscript%3Ealert(1)%3C/script%3E")
    yield 941110, True, field(b"X-Other", b"<script>")
    yield from everywhere(941150, b"a style = b", b"SRC=x", b"href:\n=")
    yield from nowhere(941150, b"a style", b"hrefs=1", b"stylesheet=1")
    yield 941150, True, field(b"User-Agent", b"a src=b")
    yield from everywhere(941181, b"-->", b"a --&gt; b", b"--\\x3e")
    yield from nowhere(941181, b"->", b"-- >")
    yield from everywhere(941220, b"vbscript:x", b"VBScript:a", b"v&#98;script:x", b"vb\tscript:a")
    yield from nowhere(941220, b"vbscript :x", b"vb script:x", b"a vbscript")
    yield from everywhere(941260, b'<meta charset="x">', b"<META/x charset =a", b"<meta http-equiv=a content='b; charset=utf-7'>")
    yield from nowhere(941260, b"<metacharset=", b"<meta name=a>")
    yield from everywhere(941300, b"<object data=x", b"<OBJECT+classid=y", b"<object/x codetype =a")
    yield from nowhere(941300, b"<objects data=x", b"<object name=x")
    yield from everywhere(941340, b'"(x.a=1', b"'in window.name=1", b'"+a.b =c')
    yield from nowhere(941340, b'"a.b=c', b"'+ab=c")
    yield from everywhere(941380, b"{{7*7}}", b"a {{x}} b", b"{{}}")
    yield from nowhere(941380, b"{7}}", b"{ {7} }", b"{{7*7}")


def databases():
    yield 942101, True, path(b"/1'%20or%20'1'='1")
    yield 942101, True, path(b"/a/1%27%20union%20select%201--")
    yield 942101, False, path(b"/a/b-c")
    yield 942101, False, query(b"1' or '1'='1")
    yield from everywhere(942140, b"information_schema", b"DATABASE()", b"pg_catalog", b"sqlite_master", b"schema_name")
    yield from nowhere(942140, b"informationschema", b"a database", b"tempdbs")
    yield from everywhere(942160, b"sleep(5)", b"SLEEP ( 1 )", b"benchmark(1,2)", b"sleep/*x*/(1)")
    yield from nowhere(942160, b"sleep", b"benchmark(1)", b"sleep (5")
    yield 942160, True, path(b"/sleep(5)")
    yield from everywhere(942200, b"x ,0x4141", b" select a from b", b",'a'", b"x, \"b\"")
    yield from nowhere(942200, b"selection from", b",a", b"a,b")
    yield 942200, True, field(b"User-Agent", b"a, 0x41")
    yield from everywhere(942240, b"alter table x character set y", b"'; waitfor delay '0:0:5'", b"\"waitfor time \"")
    yield from nowhere(942240, b"alter x", b"'wait for time'", b"goto")
    yield from everywhere(942270, b"union select a from b", b"UNION ALL SELECT 1 FROM x")
    yield from nowhere(942270, b"from a union select", b"select x from y")
    yield from everywhere(942310, b"coalesce(", b"a'=1", b"@@version,", b"';if", b"*/from")
    yield from nowhere(942310, b"a coalesce", b"@@version", b"case")
    yield from everywhere(942340, b"in ( select", b"' or true", b"except select", b"' and array[")
    yield from nowhere(942340, b"in selected", b"except for values")
    yield from everywhere(942362, b"select char(", b"' regexp (", b"1 as x from", b"'; drop table", b"load load_file(")
    yield from nowhere(942362, b"select a char", b"xas from")
    yield from everywhere(942400, b"and 1=1"[:6] + b"<2", b"x and '1'", b"and 10=2", b"AND \"a\" =")
    yield from nowhere(942400, b"and one", b"band 1=1", b"and 12345678901=")
    yield from ((942430, True, place(b"!@#$%^&*()_+={}[]")) for place in (query, form, as_json))
    yield from nowhere(942430, b"a!b@c#d$e", b"plain words, with a comma")
    yield from everywhere(942450, b"0xdeadbeef", b"x'abc'", b"b'0101010101'", b"0X1AF")
    yield from nowhere(942450, b"0x1", b"10xabc", b"x'ab'", b"b'01'")
    yield from everywhere(942490, b"'1 = 1'", b"\" -1\"", b"'&1 x2")
    yield from nowhere(942490, b"'a'", b"1 = 1")
    yield from everywhere(942520, b"' is not x", b"\" not like", b"'%", b"`div ", b"' || x")
    yield from nowhere(942520, b"'is nothing", b"'a'", b"'isnot")
    yield from everywhere(942540, b"';", b"a\" ;", b"`;x", b"'/**/;")
    yield from nowhere(942540, b";'", b"a'b;")


def sessions():
    foreign = (b"Referer", b"http://elsewhere.example/x")
    ours = (b"Referer", b"http://localhost/x")
    for name in (b"PHPSESSID", b"jsessionid", b"connect.sid", b"asp.net_sessionid", b"session-id"):
        yield 943110, True, written(b"GET", b"/get?" + name + b"=1", [*ORDINARY, foreign])
        yield 943110, False, written(b"GET", b"/get?" + name + b"=1", [*ORDINARY, ours])
    yield 943110, False, written(b"GET", b"/get?phpsessid=1", ORDINARY)
    yield 943110, False, written(b"GET", b"/get?myphpsessid=1", [*ORDINARY, foreign])


def leaks():
    yield 950100, True, answer(b"a", 500)
    yield 950100, True, answer(b"a", 503)
    yield 950100, False, answer(b"a", 404)
    yield from answers(950130, b"<title>Index of /a</title><h1>Index of /a</h1>", b"<title>Index</title>", b"Index of")
    yield from answers(950130, b'<A HREF="/">[To Parent Directory]</A><br>', b"[To Parent Directory]")
    yield from answers(950140, b"#! /bin/sh", b" #!/bin/sh", b"#!x")
    yield from answers(951120, b"ORA-01756: quoted", b"ORA-1756:", b"Oracle")
    yield from answers(951120, b"Oracle error", b"an oracle")
    yield from answers(951160, b"Exception condition 12. Transaction rollback.", b"Exception. Transaction rollback.")
    yield from answers(951200, b"Unexpected end of command in statement", b"Unexpected end")
    yield from answers(951240, b"PostgreSQL query failed: x", b"PostgreSQL query")
    yield from answers(953100, b"<b>A thread value other than 1 is not supported by this implementation</b>", b"a warning")
    yield from answers(953110, b"$a = fopen('x')", b"freopen", b"my_fopen_x")
    yield from answers(953110, b"$_POST['x']"[:2] + b"post x", b"_post")
    yield from answers(954101, b"C:\\inetpub\\wwwroot", b"inetpub", b"/inetpubs")
    yield 954130, True, answer(b"Server Error in '/' Application")
    yield 954130, False, answer(b"Server Error in '/' Application", 404)
    yield 954130, False, answer(b"Server Error in Applications")
    yield from answers(956110, b"<%= x %>", b"<%x", b"< %=")
    yield from answers(956110, b"#{x}", b"#{}", b"# {x}")


def shells():
    utf = b"<html><head><meta http-equiv='Content-Type' content='text/html; charset=UTF-8'><title>"
    yield from answers(955120, utf + b"a - WSO 4.2.6</title>", utf + b"a</title>", b" " + utf + b"a - WSO 4</title>")
    yield from answers(955130, b"B4TM4N SH3LL</title><meta name='author' content='k4mpr3t'/>", b"B4TM4N SH3LL</title>")
    yield from answers(955140, b"<title>Mini Shell</title>x Developed By LameHacker", b"<title>Mini Shell</title>")
    yield from answers(955150, b"<title>.:: x ~ Ashiyane V 1.0 ::.</title>", b"<title>Ashiyane V 1.0</title>")
    yield from answers(955160, b"<title>Symlink_Sa 3.0</title>", b"<title>Symlink_Sa</title>")
    yield from answers(955170, b"<title>CasuS 1.5 by MafiABoY</title>", b"<title>CasuS by MafiABoY</title>")
    yield from answers(955180, b"<html>\r\n<head>\r\n<title>GRP WebShell 2.0 x", b"<html>\n<head>\n<title>GRP WebShell 2.0 x")
    end = b"<small>NGHshell 0.7 by Cr4sh</body></html>\n"
    yield from answers(955190, end, end + b"x", end.strip())
    yield from answers(955200, b"<title>SimAttacker - Vrsion : 1.0.0 - x", b"<title>SimAttacker - x")
    yield from answers(955210, b"<!DOCTYPE html>\n<html>\n<!-- By Artyum x <title>Web Shell</title>", b"<!-- By Artyum x <title>Web Shell</title>")
    yield from answers(955220, b"<title>lama's'hell v. 3.0</title>", b"<title>lamashell v. 3.0</title>")
    yield from answers(955230, b"  <html>\n <head>\n  <title>lostDC - x", b"<html><head><title>lostDC - ")
    php = b"<title>PHP Web Shell</title>\r\n<html>\r\n<body>\r\n    <!-- Replaces command with Base64-encoded Data -->"
    yield from answers(955240, php, php.replace(b"\r", b""))
    command = b'<html>\n<head>\n<div align="left"><font size="1">Input command :</font></div>\n<form name="cmd" method="POST" enctype="multipart/form-data">'
    yield from answers(955250, command, b" " + command)
    yield from answers(955270, b"<title>s72 Shell v1.1 Codinf by Cr@zy_King</title>", b"<title>s72 Shell</title>")
    spy = b'<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=gb2312">\r\n<title>PhpSpy Ver 2006</title>'
    yield from answers(955280, spy, spy.replace(b"\r\n", b"\n"))
    yield from answers(955290, b" <html>\n\n<head>\n\n<title>g00nshell v1.3 x", b"<html>\n\n<head>\n\n<title>g00nshell v1.3 x")
    yield from answers(955300, b"<title>Punkholicshell</title>", b"<title>shell</title>")
    yield from answers(955300, b"<ti tle>PuNk\nHoLicShell</title>", b"punkholicshell")
    yield from answers(955310, b"<html>\n      <head>\n             <title>azrail 1.0 by C-W-M</title>", b"<title>azrail 1.0 by C-W-M</title>")
    yield from answers(955320, b">SmEvK_PaThAn Shell v3 coded by <a href=", b">SmEvK_PaThAn Shell")
    yield from answers(955330, b"<html>\n<title>x ~ Shell I</title>\n<head>\n<style>", b"<title>x ~ Shell I</title>")
    yield from answers(955340, b" <html><head><title>:: b374k m1n1 1.01 ::</title>", b"<html><head><title>:: b374k m1n1 1.01 ::</title>")
    yield from answers(955350, b'<h1 style="margin-bottom: 0">webadmin.php</h1>', b"<h1>webadmin.php</h1>")


def all_of_them():
    for group in (protocol, files, commands, languages, scripts, databases, sessions, leaks, shells):
        yield from group()
