"""The filter that `minimum_rows` stands for: a statement is read, and written anew so that it shows no small groups.

`privacy.statements.rewrite` is what there is to call. See docs/adr/0026 for the rules, and why they are these.
"""
