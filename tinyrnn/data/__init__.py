"""Sequences into batches: vocabularies, windows, scalers, splits in time, batches with padding, text larger than memory."""

from .batches import Batches
from .buckets import BucketBatches
from .epochs import Batch
from .padding import length_mask, pad
from .scalers import MinMaxScaler, StandardScaler
from .splits import Split, time_split
from .streams import Streams
from .text import map_bytes, map_text, text_chunks
from .vocabulary import CharacterVocabulary, Vocabulary, WordVocabulary
from .windows import windows

__all__ = [
    "Batch",
    "Batches",
    "BucketBatches",
    "CharacterVocabulary",
    "MinMaxScaler",
    "Split",
    "StandardScaler",
    "Streams",
    "Vocabulary",
    "WordVocabulary",
    "length_mask",
    "map_bytes",
    "map_text",
    "pad",
    "text_chunks",
    "time_split",
    "windows",
]
