"""`cloister.analytics` under the documented name."""

from cloister.analytics import *
from cloister.analytics import __all__ as __all__
