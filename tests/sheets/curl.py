"""The sheet of CURL: the released script for cartpole swingup."""

ADAM = {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
SHEETS = {
    "swing_up": {
        "batch_size": 128,
        "normalize": None,
        "encoder": {"name": "curl_encoder", "width": 32, "layers": 4, "tanh": False},
        "views": {"name": "frame_crops", "size": 84},
        "evaluated": {"size": 84, "resize_to": 100},
        "method": {"dim": 50, "hidden": 1024, "discount": 0.99, "temperature": 0.1}
        | {"log_std": (-10.0, 2.0), "momentum": 0.99, "encoder_momentum": 0.95}
        | {"follow_every": 2, "actor_every": 2, "contrast_every": 1, "detach": False},
        "critic": ADAM,
        "actor": ADAM,
        "temperature": {**ADAM, "b1": 0.5},
        "contrast": {**ADAM, "name": "adam", "match": ("^encoder/", "^head/")},
        "rate": {
            **dict.fromkeys(("critic", "actor", "contrast"), (1e-3, {0: 1.0, 1: 1.0})),
            "temperature": (1e-4, {0: 1.0, 1: 1.0}),
        },
    },
}
