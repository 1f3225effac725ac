"""Where older scripts look for reading CSV files."""

from cloister import read_input_csv_file

__all__ = ["read_input_csv_file"]
