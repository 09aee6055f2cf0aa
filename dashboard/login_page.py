"""The sign-in page: one file without scripts, so that nothing else is open to everybody."""

from __future__ import annotations

from html import escape

DISCLAIMER = "Staff aid, not a medical device; keep the monitors' own alarms on."

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<meta name="theme-color" content="#0b0f14">
<title>Sign in · kap-vitals</title>
<link rel="icon" href="data:,">
<style>
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100dvh; display: flex; flex-direction: column;
  background: #0b0f14; color: #e8eef4;
  font: 16px/1.4 "DejaVu Sans", "Segoe UI", system-ui, sans-serif;
}
main { flex: 1; display: grid; place-content: center; padding: 16px; }
form {
  width: min(420px, calc(100vw - 32px)); padding: 28px; border: 1px solid #243140;
  border-radius: 12px; background: #111821; display: grid; gap: 16px;
}
.brand { margin: 0; color: #a3b3c2; font-weight: 700; letter-spacing: .02em; }
h1 { margin: -12px 0 4px; font-size: 28px; }
label { display: grid; gap: 4px; font-weight: 700; }
input {
  font: inherit; color: inherit; min-height: 48px; padding: 0 12px; width: 100%;
  background: #0b0f14; border: 1px solid #5b7085; border-radius: 8px;
}
button {
  font: inherit; font-weight: 700; color: #fff; min-height: 52px; margin-top: 4px;
  background: #0b5cad; border: 1px solid #2f86de; border-radius: 8px; cursor: pointer;
}
button:hover { filter: brightness(1.2); }
:focus-visible { outline: 3px solid #fff; outline-offset: 2px; }
.wrong {
  margin: 0; padding: 10px 12px; border-left: 4px solid #facc15; background: #1a232e;
  color: #ffd24a; font-weight: 700;
}
.note { margin: 0; color: #a3b3c2; font-size: 15px; }
footer {
  padding: 4px 12px; border-top: 1px solid #243140; color: #a3b3c2; font-size: 15px;
  text-align: center;
}
</style>
</head>
<body>
<main>
<form method="post" action="/login">
<p class="brand">kap-vitals</p>
<h1>Sign in</h1>
{{WRONG}}
<input type="hidden" name="next" value="{{NEXT}}">
<label>User name
<input name="user" value="{{USER}}" required maxlength="80" autocomplete="username"
  autocapitalize="none" spellcheck="false"{{FIRST}}></label>
<label>Password
<input name="password" type="password" required maxlength="256"
  autocomplete="current-password"{{SECOND}}></label>
<button>Sign in</button>
<p class="note">At a screen that somebody has signed in to, a PIN is enough to take over.</p>
</form>
</main>
<footer>{{DISCLAIMER}}</footer>
</body>
</html>
"""


def page(*, after: str = "/", wrong: str = "", user: str = "") -> str:
    """The page's HTML.

    Args:
        after: address to go to after signing in.
        wrong: why it did not work, `""` at first.
        user: what was typed as the user name.
    """
    said = f'<p class="wrong" role="alert">{escape(_sentence(wrong))}</p>' if wrong else ""
    focus = (" autofocus", "") if not user else ("", " autofocus")
    found = _PAGE
    for name, value in (
        ("WRONG", said),
        ("NEXT", escape(after)),
        ("USER", escape(user)),
        ("FIRST", focus[0]),
        ("SECOND", focus[1]),
        ("DISCLAIMER", escape(DISCLAIMER)),
    ):
        found = found.replace("{{" + name + "}}", value)
    return found


def local(wanted: str) -> str:
    """An address of this server, `/` for any other: nobody is sent elsewhere after signing in."""
    plain = wanted.isprintable() and "\\" not in wanted
    if not plain or not wanted.startswith("/") or wanted.startswith(("//", "/login")):
        return "/"
    return wanted


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."
