"""One file of both towers of CLIP or SigLIP, as it was released, in and out."""

import chex
import numpy as np
import pytest

from sslax import convert
from sslax.convert._released import call_of, family_of
from tests.convert.networks import NETWORKS, random_arrays


@pytest.mark.parametrize(
    "places",
    [
        {"clip_text": "", "clip_vit": "visual."},
        {"siglip_text": "text.", "vit_map": "visual.trunk."},
    ],
)
def test_each_tower_finds_itself_in_a_file_of_both(rng, places):
    given, file = {}, {"logit_scale": np.float32(4.6), "context_length": np.array(77)}
    file["logit_bias"] = np.float32(-10.0)
    for name, start in places.items():
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
        assert report.prefix == places[name]


def test_the_sizes_that_were_released():
    for name, width, dim in (
        ("clip_text_base", 512, 512),
        ("clip_text_large", 768, 768),
        ("siglip_text_base", 768, 768),
        ("siglip_text_large", 1024, 1024),
    ):
        _, options = family_of(call_of(name)[0])
        assert options["width"] == width
        assert options["dim"] == dim
    assert call_of("openclip_text_base")[0]["activation"] == "gelu"
    call, _ = call_of("openclip_vit_base_patch32.laion2b")
    assert (call["patch_size"], call["activation"]) == (32, "gelu")
    call, side = call_of("clip_vit_large_patch14")
    assert (call["patch_size"], call["width"], call["depth"], side) == (
        14,
        1024,
        24,
        224,
    )
