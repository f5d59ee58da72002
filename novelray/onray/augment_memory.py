"""What a model has translated or written is kept in storage, call by call, and looked up before it is asked again.

A killed build then loses at most the calls that were under way, and a build with one more book or with other limits
asks the model only for what is new. Kept are texts as JSON, under a digest of the question and of all that decides the
answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from novelray.corpus.augment import Write
from novelray.corpus.augment.backtranslation import Translate
from novelray.storage import Store, digest_of


def remembered_translate(translate: Callable[[], Translate], store: Store, folder: str, model: str) -> Translate:
    """A translator that keeps each call's sentences. `translate` loads the model, when it is first needed.

    `model`: what stands for the model and its settings.
    """

    def answer(sentences: Sequence[str]) -> list[str]:
        path = _place(folder, model, list(sentences))
        if store.exists(path):
            return _texts(store, path)
        found = translate()(sentences)
        store.write(path, _dumped(found))
        return found

    return answer


def remembered_write(write: Callable[[], Write], store: Store, folder: str, model: str) -> Write:
    """A writer that keeps each story; those that are not there yet are written together."""

    def answer(prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        paths = [_place(folder, model, pair) for pair in zip(prompts, seeds, strict=True)]
        new = [i for i, path in enumerate(paths) if not store.exists(path)]
        if new:
            for i, story in zip(new, write()([prompts[i] for i in new], [seeds[i] for i in new]), strict=True):
                store.write(paths[i], _dumped([story]))
        return [_texts(store, path)[0] for path in paths]

    return answer


def _place(folder: str, model: str, question: Any) -> str:
    return f"{folder}/{digest_of(json.dumps([model, question]))[:32]}.json"


def _dumped(texts: Sequence[str]) -> bytes:
    return json.dumps(list(texts)).encode()


def _texts(store: Store, path: str) -> list[str]:
    return [str(text) for text in json.loads(store.read(path))]
