"""The models that augmentation draws on: found before any work starts, and loaded once in each Ray actor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from novelray.corpus.augment import Thesaurus, Tools, load_thesaurus
from novelray.corpus.augment.backtranslation import Translate
from novelray.corpus.augment.thesaurus import files_of, read_location
from novelray.errors import CorpusError, NovelRayError
from novelray.models.source import digest_of_source, resolve
from novelray.onray.augment_memory import remembered_translate, remembered_write
from novelray.recipe import Recipe
from novelray.recipe.augment import AugmentSection, BackTranslationSection
from novelray.recipe.model import ModelSection
from novelray.storage import Artifacts, Store, digest_of

MOST_STORIES = 16  # written at once by one model
SAMPLING = (
    "chat",
    "max_tokens",
    "temperature",
    "top_p",
    "repetition_penalty",
)  # what decides a story beside its prompt


@dataclass(frozen=True)
class Resources:
    """Where everything lies that the methods of a recipe need, and the digest of each by its key in the recipe.

    Models are sources as in models/source.py. Travels to the workers.
    """

    pairs: dict[str, tuple[str, str]] = field(default_factory=dict)  # by language: forward, back
    writer: str = ""
    embedding: str = ""
    synonyms: tuple[str, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)


def find_resources(recipe: Recipe, artifacts: Artifacts) -> Resources:
    """What the recipe's augmentation needs. Nothing is loaded but the synonyms, which have to be readable.

    Raises CorpusError, naming the key, when something is not there. Nothing is fetched unless the recipe allows it.
    """
    section = recipe.corpus.augment
    if not section.share:
        return Resources()
    methods = {m.method for m in section.chosen}
    found = Resources()
    digests: dict[str, str] = {}

    def source(base: str, key: str) -> str:
        name = _source(base, key, section, artifacts)
        digests[key] = digest_of_source(name)
        return name

    if "synonyms" in methods:
        stamp = _digest_of_files(section.synonyms.files, recipe.storage.endpoint)
        digests["synonyms"] = stamp
        load_thesaurus(section.synonyms.files, recipe.storage.endpoint, stamp)
        found = replace(found, synonyms=section.synonyms.files)
    if "back_translation" in methods:
        pairs = {}
        for pair in section.back_translation:
            key = f"back_translation.{pair.language}"
            forward = source(pair.forward, f"{key}.forward")
            pairs[pair.language] = (forward, source(pair.back, f"{key}.back") if pair.back else forward)
        found = replace(found, pairs=pairs)
    if "synthetic" in methods:
        found = replace(found, writer=source(section.synthetic.model, "synthetic.model"))
    if section.embedding:
        found = replace(found, embedding=source(section.embedding, "embedding"))
    return replace(found, digests=digests)


def _digest_of_files(files: Sequence[str], endpoint: str | None) -> str:
    contents = [read_location(file, endpoint) for location in files for file in files_of(location, endpoint)]
    return digest_of([digest_of(data.hex()) for data in contents])


def _source(base: str, key: str, section: AugmentSection, artifacts: Artifacts) -> str:
    """The source of a model; only stories can come from the registry and from artifacts of ours."""
    try:
        if key == "synthetic.model" and "@" in base:
            from novelray.registry import Registry

            return f"artifact:{Registry(artifacts.store).resolve(base).artifact}"
        if key == "synthetic.model" and base.startswith("model-") and not Path(base).exists():
            return f"artifact:{artifacts.get(base).id}"
        if base.startswith("scratch:"):
            raise CorpusError(f"{base} has random weights.", "Name a model that has learnt to write or to translate.")
        return resolve(ModelSection(base=base, hub=section.hub, download=section.allow_download))
    except NovelRayError as error:
        hint = error.hint.replace("model.download", "corpus.augment.allow_download")
        hint = hint.replace("model.base", f"corpus.augment.{key}")
        raise CorpusError(f"corpus.augment.{key}: {error.message}", hint) from error


def tools_without_models(resources: Resources, endpoint: str | None) -> Tools:
    """What the methods need that have no model."""
    return Tools(_thesaurus(resources, endpoint))


def _thesaurus(resources: Resources, endpoint: str | None) -> Thesaurus:
    if not resources.synonyms:
        return Thesaurus()
    return load_thesaurus(resources.synonyms, endpoint, resources.digests["synonyms"])


def load_tools(resources: Resources, section: AugmentSection, artifacts: Artifacts, memory: str) -> Tools:
    """All of it, on the GPU that Ray gave this process, else on the CPU.

    Models that write are loaded when they are first asked what is not in the folder `memory` of the store yet.
    """
    import torch

    from novelray.corpus.augment.embed import Embedding

    device = "cuda" if torch.cuda.is_available() else "cpu"
    store, options = artifacts.store, section.synthetic
    translators = {
        pair.language: _both_ways(pair, resources, device, store, memory)
        for pair in section.back_translation if pair.language in resources.pairs
    }  # fmt: skip
    write = None
    if resources.writer:
        model = digest_of([resources.digests["synthetic.model"], *(getattr(options, name) for name in SAMPLING)])
        writer = cache(lambda: _Writer(resources.writer, section, artifacts, device))
        write = remembered_write(writer, store, memory, model)
    measure = Embedding(_folder(resources.embedding), device) if resources.embedding else None
    return Tools(_thesaurus(resources, store.endpoint), translators, write, measure)


def _folder(source: str) -> Path:
    return Path(source.removeprefix("folder:"))


def _both_ways(
    pair: BackTranslationSection, resources: Resources, device: str, store: Store, memory: str
) -> tuple[Translate, Translate]:
    """There and back. A model that does both is loaded once."""
    from novelray.corpus.augment.seq2seq import Translator

    sizes = (pair.beams, pair.batch, pair.max_tokens)
    forward, back = resources.pairs[pair.language]

    @cache
    def there() -> Translator:
        return Translator(_folder(forward), device, (pair.code, pair.pivot_code), pair.forward_prefix, *sizes)

    @cache
    def and_back() -> Translator:
        model = there().model if forward == back else None
        codes = (pair.pivot_code, pair.code)
        return Translator(_folder(back), device, codes, pair.back_prefix, *sizes, model=model)

    key, of = f"back_translation.{pair.language}", resources.digests
    names = [
        digest_of([way, of.get(f"{key}.{way}", of[f"{key}.forward"]), pair.identity()]) for way in ("forward", "back")
    ]
    return (
        remembered_translate(there, store, memory, names[0]),
        remembered_translate(and_back, store, memory, names[1]),
    )


class _Writer:
    """Stories from a causal model. Each has random numbers of its own, so it depends on no other."""

    def __init__(self, source: str, section: AugmentSection, artifacts: Artifacts, device: str) -> None:
        import torch

        from novelray.generate.prompts import Prompts
        from novelray.models.load import load_model
        from novelray.shards.tokenizer import load_tokenizer

        kind, _, value = source.partition(":")
        folder = Path(value) if kind == "folder" else artifacts.get(value).local()
        self._tokenizer = load_tokenizer(folder)
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self._model: Any = load_model(source, artifacts, dtype).eval()
        self._model.to(device)
        self._options, self._prompts = section.synthetic, Prompts(self._tokenizer)

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        from novelray.generate.batcher import Batcher
        from novelray.generate.detokenise import Vocabulary
        from novelray.generate.generation import Event, Generation
        from novelray.generate.limits import context_of, end_ids, new_tokens
        from novelray.generate.protocol import Request
        from novelray.generate.stepper import Stepper

        context, ends = context_of(self._model, None), end_ids(self._model, self._tokenizer)
        vocabulary = Vocabulary(self._tokenizer)
        stepper = Stepper(self._model, vocabulary, Batcher(MOST_STORIES, len(prompts)), context)
        answers: list[list[Event]] = [[] for _ in prompts]
        for i, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            request = Request(str(i), self._ids(prompt, context), self._sampling(seed))
            limit = new_tokens(request, context, stepper.vocabulary_size)
            stepper.batcher.submit(Generation(request, limit, ends, vocabulary, answers[i].append))
        while not stepper.idle:
            stepper.prefill()
            stepper.decode()
        return [_text(events) for events in answers]

    def _ids(self, prompt: str, context: int) -> tuple[int, ...]:
        """The prompt's tokens; of one that fills more than half of the context, the last that do not."""
        if self._options.chat:
            return self._prompts.encode_chat([{"role": "user", "content": prompt}])
        return self._prompts.encode(prompt)[-max(1, context // 2) :]

    def _sampling(self, seed: int) -> Any:
        from novelray.generate.protocol import Sampling

        options = self._options
        return Sampling(
            max_tokens=options.max_tokens, temperature=options.temperature, top_p=options.top_p,
            repetition_penalty=options.repetition_penalty, seed=seed,
        )  # fmt: skip


def _text(events: Sequence[Any]) -> str:
    for event in events:
        if isinstance(event, Exception):
            raise event
    return "".join(event.text for event in events)
