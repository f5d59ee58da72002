"""Personal data and real persons' names, masked, dropped or only counted. The characters of a novel are left alone."""

from novelray.corpus.privacy.find import Finding, find
from novelray.corpus.privacy.notes import protect_notes
from novelray.corpus.privacy.people import people_of, protect_meta, pseudonym
from novelray.corpus.privacy.protect import protect

__all__ = ["Finding", "find", "people_of", "protect", "protect_meta", "protect_notes", "pseudonym"]
