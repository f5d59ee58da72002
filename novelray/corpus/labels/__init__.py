"""Labels that people gave: exported to Label Studio or Doccano, read back, used where the annotators agree."""

from novelray.corpus.labels.attach import (
    LABELS,
    Attached,
    Known,
    Labels,
    attach,
    check_label_files,
    digest_of_files,
    labels_of,
)
from novelray.corpus.labels.files import read_files

__all__ = [
    "LABELS", "Attached", "Known", "Labels", "attach", "check_label_files", "digest_of_files", "labels_of",
    "read_files",
]  # fmt: skip
