"""Layers from Keras and back, with the same weights.

Keras's matrices have the form of ours.  An LSTM's gates are in the same order, i, f, g, o; a GRU's are z, r, n, and with
``reset_after`` its two biases, our b and b_h, are the rows of one.
"""

from .common import Activation
from .reading import from_keras
from .writing import to_keras

__all__ = ["Activation", "from_keras", "to_keras"]
