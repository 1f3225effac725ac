"""Where older scripts look for reading CSV files, and the results of queries."""

from cloister.sdk.csv_files import read_input_csv_file, read_input_csv_string
from cloister.sdk.tabular import read_sql_query_result_as_string

__all__ = ["read_input_csv_file", "read_input_csv_string", "read_sql_query_result_as_string"]
