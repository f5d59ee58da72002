"""Packed weights: the same products, the same bits in any company, and no more memory than was given."""

from __future__ import annotations

import torch

from novelray.generate.onednn import Packer, product


@torch.inference_mode()
def test_a_packed_product_is_that_of_the_plain_weight_and_no_row_depends_on_the_others():
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(*shape, generator=generator) for shape in ((1024, 192), (1024,), (300, 192)))
    packed = Packer()(weight)
    whole = product(x, packed, bias)
    torch.testing.assert_close(whole, torch.nn.functional.linear(x, weight, bias), atol=1e-4, rtol=1e-4)
    for rows in (4, 5, 7, 8, 31, 33, 129):
        assert torch.equal(product(x[:rows].contiguous(), packed, bias), whole[:rows])


def test_only_wide_fp32_layers_are_packed_and_only_while_there_is_room():
    wide = torch.randn(512, 64)
    pack = Packer(2 * wide.nbytes)
    assert pack(torch.randn(128, 64)) is None
    assert pack(wide.bfloat16()) is None
    assert [pack(wide) is not None for _ in range(3)] == [True, True, False]
