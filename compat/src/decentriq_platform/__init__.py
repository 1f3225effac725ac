"""Cloister's SDK under the documented name. Everything here is `cloister`'s; see there."""

from cloister import *
from cloister import __all__ as __all__
