"""GRU4Rec: session-based recommendation with recurrent neural networks.

The public names stand in `__init__.pyi` and are loaded on first use: torch, pandas, Ibis and SciPy
take a while to import.
"""

import lazy_loader

from gru4rec import forking

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

forking.keep_children_on_one_thread()
