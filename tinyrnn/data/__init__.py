"""Sequences into batches: vocabularies, windows, scalers, splits in time, batches with padding, text larger than memory."""

from .batches import Batches
from .epochs import Batch
from .padding import length_mask, pad
from .scalers import MinMaxScaler, StandardScaler
from .splits import Split, time_split
from .vocabulary import CharacterVocabulary, Vocabulary, WordVocabulary
from .windows import windows

__all__ = [
    "Batch",
    "Batches",
    "CharacterVocabulary",
    "MinMaxScaler",
    "Split",
    "StandardScaler",
    "Vocabulary",
    "WordVocabulary",
    "length_mask",
    "pad",
    "time_split",
    "windows",
]
