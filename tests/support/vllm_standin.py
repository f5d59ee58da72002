"""A stand-in for vLLM's AsyncLLM: its methods that we use, over a plain transformers loop. It is not vLLM.

It is for our own bookkeeping (endings, aborts, the queue, which sampler draws); how vLLM itself behaves is not tested
by it. The order of its samplers is ours, since it is only asked for what does not depend on it.
"""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace

import torch

from novelray.generate.detokenise import Vocabulary
from novelray.generate.limits import context_of, end_ids
from novelray.generate.on_vllm.engine import Served, Vllm, VllmEngine
from novelray.generate.on_vllm.rows import Rows
from novelray.generate.protocol import Sampling
from novelray.generate.samplers import Samplers, SamplerState

CPU = torch.device("cpu")
OURS = ("max_tokens", "stop_token_ids", "detokenize", "logprobs", "prompt_logprobs", "extra_args", "output_kind")


class StandInLLM:
    def __init__(self, model, tokenizer, max_num_seqs):
        self._models, self._vocabulary = {None: model}, Vocabulary(tokenizer)
        self._size = model.config.get_text_config().vocab_size
        self._places = asyncio.Semaphore(max_num_seqs)
        self.loras, self.asked, self.aborted, self.running = {}, [], [], set()
        self.errored, self.shut, self.fails = False, False, None

    async def generate(self, prompt, sampling_params, request_id, *, lora_request=None):
        self.asked.append((prompt, sampling_params, lora_request))
        try:
            async with self._places:
                self.running.add(request_id)
                async for output in self._steps(prompt["prompt_token_ids"], sampling_params, lora_request):
                    yield output
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted.append(request_id)
            raise
        finally:
            self.running.discard(request_id)

    async def _steps(self, prompt, params, lora):
        draw, tokens, scores = self._drawer(prompt, params), [], self._scores(prompt, params, lora)
        cache, rest = None, list(prompt)
        for _ in range(params.max_tokens):
            await asyncio.sleep(0)
            if self.fails is not None:
                raise self.fails
            with torch.inference_mode():
                model = self._models[None if lora is None else lora.lora_int_id]
                made = model(torch.tensor([rest]), past_key_values=cache, use_cache=True)
            cache, raw = made.past_key_values, made.logits[:, -1].float()
            token = draw(raw.clone(), tokens)
            tokens.append(token)
            rest = [token]
            ends = token in params.stop_token_ids or len(tokens) == params.max_tokens
            yield self._output(raw.log_softmax(-1)[0], token, params, ends, scores)
            scores = None
            if ends:
                return

    def _drawer(self, prompt, params):
        """(logits, tokens so far) -> the next one."""
        if params.extra_args is not None:
            rows, output = Rows(self._vocabulary, self._size, CPU), []
            rows.update([], [(0, params, prompt, output)], [])

            def ours(logits, tokens):
                output[:] = tokens
                return int(rows.apply(logits).argmax())

            return ours
        asked = {name: value for name, value in vars(params).items() if name not in OURS}
        state = SamplerState(
            Sampling(**asked), prompt, self._size, CPU, self._vocabulary, frozenset(params.stop_token_ids)
        )
        samplers = Samplers([state], CPU)

        def theirs(logits, tokens):
            state.holding = len(tokens) < params.min_tokens
            samplers._held = [0]
            return samplers.choose(logits).tokens[0]

        return theirs

    def _scores(self, prompt, params, lora):
        if getattr(params, "prompt_logprobs", None) is None:
            return None
        with torch.inference_mode():
            raw = self._models[None if lora is None else lora.lora_int_id](torch.tensor([prompt])).logits[0]
        entries = zip(raw.log_softmax(-1), prompt[1:], strict=False)
        return [None, *[self._entry(row, token, params.prompt_logprobs) for row, token in entries]]

    def _entry(self, logprobs, token, most):
        ids = {token, *logprobs.topk(most).indices.tolist()}
        return {i: SimpleNamespace(logprob=logprobs[i].item(), rank=None) for i in ids}

    def _output(self, logprobs, token, params, ends, scores):
        found = None if params.logprobs is None else [self._entry(logprobs, token, params.logprobs)]
        made = SimpleNamespace(token_ids=[token], logprobs=found)
        return SimpleNamespace(outputs=[made], num_cached_tokens=3, finished=ends, prompt_logprobs=scores)

    async def add_lora(self, lora):
        from peft import PeftModel

        base = copy.deepcopy(self._models[None])
        self._models[lora.lora_int_id] = PeftModel.from_pretrained(base, lora.lora_path).eval()
        self.loras[lora.lora_int_id] = lora
        return True

    async def remove_lora(self, lora_id):
        return self.loras.pop(lora_id, None) is not None

    def shutdown(self):
        self.shut = True


def standin_engine(model, tokenizer, *, max_batch=8, max_queue=32, context=None, max_rank=64, base_digest=None):
    def params(extra_args=None, **fields):
        return SimpleNamespace(extra_args=extra_args, **fields)

    vllm = Vllm(
        StandInLLM(model, tokenizer, max_batch),
        params,
        lambda **fields: SimpleNamespace(**fields),
        lambda ids: {"type": "token", "prompt_token_ids": ids},
    )
    size = model.config.get_text_config().vocab_size
    served = Served(
        context_of(model, context), size, end_ids(model, tokenizer), max_rank=max_rank, base_digest=base_digest
    )
    return VllmEngine(vllm, tokenizer, served, max_batch=max_batch, max_queue=max_queue)
