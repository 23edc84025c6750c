"""Training with PyTorch: data set, sampler, batches of tensors.

Needs the extra `torch`: `pip install 'roverd[torch]'`.
"""

from roverd.torch.collation import Collate, Padded, collate
from roverd.torch.dataset import Dataset
from roverd.torch.loader import DataLoader
from roverd.torch.sampler import Sampler
from roverd.torch.tensors import to_tensor, to_tensors

__all__ = [
    "Dataset",
    "Sampler",
    "DataLoader",
    "Collate",
    "Padded",
    "collate",
    "to_tensor",
    "to_tensors",
]
