"""One file of both towers of CLIP, as it was released, in and out."""

import chex
import numpy as np

from sslax import convert
from sslax.convert._released import call_of
from tests.convert.networks import NETWORKS, random_arrays


def test_each_tower_finds_itself_in_a_file_of_both(rng):
    given, file = {}, {"logit_scale": np.float32(4.6), "context_length": np.array(77)}
    for name, start in (("clip_text", ""), ("clip_vit", "visual.")):
        call, inputs, _ = NETWORKS[name]
        given[name] = random_arrays(rng, call, inputs)
        options = {"model": call, "source": "torch", "inputs": inputs}
        tensors = convert.to_torch(*given[name], **options)
        file |= {f"{start}{key}": value for key, value in tensors.items()}
    for name, (params, stats) in given.items():
        call, inputs, _ = NETWORKS[name]
        *back, report = convert.from_torch(
            file, model=call, source="torch", inputs=inputs
        )
        chex.assert_trees_all_equal(tuple(back), (params, stats))
        assert report.prefix == ("" if name == "clip_text" else "visual.")


def test_the_sizes_that_were_released():
    for name, width, dim in (
        ("clip_text_base", 512, 512),
        ("clip_text_large", 768, 768),
    ):
        call, _ = call_of(name)
        assert call.get("width", 512) == width
        assert call.get("dim", 512) == dim
    call, side = call_of("clip_vit_large_patch14")
    assert (call["patch_size"], call["width"], call["depth"], side) == (
        14,
        1024,
        24,
        224,
    )
