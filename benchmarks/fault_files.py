"""Files that are changed at random, and readers that must not mind. Every fault gives (tried, survived, remark)."""

import random
import resource
import sys
import time
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from gan.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gan.datasets import load
from gan.idx import read_idx, write_idx
from gan.sources import Source
from hashlib import sha256
from nn import ByhandError, Dense, Sequential, load_weights, save_weights

