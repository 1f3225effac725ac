"""What the validation of tables is made of; `cloister_tables.table` puts it together.

- `layout`: what the table has to look like
- `files`: from the file as attached to plain UTF-8
- `records`: the exact reader, for what the fast one won't vouch for
- `cells`: what each format accepts, and what it becomes
- `checks`: all rows at once, in DuckDB
- `report`: `validation-report.json`
"""
