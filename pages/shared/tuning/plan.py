"""Step 2: which network, what of it is trained, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import catalogue, images
from explorer.errors import ExplorerError
from pages.shared import blocks, cache
from pages.shared.components.diagram import Paint, diagram
from pages.shared.text import count, plain
from pages.shared.tuning import state

if TYPE_CHECKING:
    from explorer.training import Dataset, Plan, Split

_KINDS = {"features": "Feature extraction", "tune": "Fine-tuning"}
_ABOUT = {
    "features": "The network stays as it is; a new last layer learns from what the network makes of each picture.",
    "tune": "The last stages learn too, slowly, so that they lose little of what they knew.",
}
_DEFAULTS: dict[str, Any] = {
    "network": "efficientnet_lite0",
    "kind": "features",
    "unfreeze": 1,
    "hidden": 0,
    "dropout": 0.2,
    "rate": 1e-3,
    "part": 0.1,
    "decay": 1e-4,
    "smoothing": 0.0,
    "clip": 1.0,
    "epochs": 5,
    "batch": 16,
    "seed": 0,
    "title": "",
    "crop": 1.0,
    "flip": 0.0,
    "rotation": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
}
_GUIDES: dict[str, dict[str, Any]] = {
    "The guide's feature extraction": {"network": "resnet50", "kind": "features", "hidden": 256, "dropout": 0.5},
    "The guide's fine-tuning, mended": {
        "network": "resnet50",
        "kind": "tune",
        "unfreeze": 1,
        "hidden": 0,
        "dropout": 0.0,
    },
}
_SLIP = (
    "The guide's `fine_tuning(unfreeze_layers=2)` means to train the last two layers of ResNet-50. Its last two "
    "children are the pooling, which has nothing to learn, and the layer that is replaced: 20,490 numbers are trained. "
    "With the last stage (`layer4`) and the head it is 14,985,226. Its frozen batch norms also go on averaging in "
    "training mode, so the backbone drifts; here they stay in eval mode. And its test `'fc' in name` also finds the "
    "`fc1` and `fc2` inside EfficientNet's squeeze layers."
)


def _value(name: str) -> Any:
    """A choice, whether its widget is on the screen or not."""
    chosen: dict[str, Any] = st.session_state.setdefault("_tuning_plan", dict(_DEFAULTS))
    return chosen[name]


def _set(name: str, key: str) -> None:
    st.session_state["_tuning_plan"][name] = st.session_state[key]


def _bound(name: str) -> dict[str, Any]:
    """Arguments of a widget that reads and writes a choice."""
    key = f"tuning-plan-{name}"
    st.session_state[key] = _value(name)
    return {"key": key, "on_change": _set, "args": (name, key)}


def _take(values: dict[str, Any]) -> None:
    st.session_state["_tuning_plan"] = {**st.session_state.get("_tuning_plan", _DEFAULTS), **values}


def asked() -> Plan:
    """The plan as it is chosen.

    Raises:
        BadPlan: an option is outside of what makes sense.
    """
    from explorer import training

    changes = ("crop", "flip", "rotation", "brightness", "contrast", "saturation", "hue")
    return training.Plan(
        network=_network(),
        unfreeze=int(_value("unfreeze")) if _value("kind") == "tune" else 0,
        hidden=int(_value("hidden")),
        dropout=float(_value("dropout")),
        learning_rate=float(_value("rate")),
        backbone_rate=float(_value("part")),
        weight_decay=float(_value("decay")),
        label_smoothing=float(_value("smoothing")),
        clip=float(_value("clip")),
        epochs=int(_value("epochs")),
        batch_size=int(_value("batch")),
        seed=int(_value("seed")),
        augmentation=training.Augmentation(**{name: float(_value(name)) for name in changes}),
        title=str(_value("title")).strip(),
    )


def follow(plan: Plan) -> None:
    """Chooses what ``plan`` says."""
    _take(
        {
            "network": plan.network,
            "kind": "tune" if plan.unfreeze else "features",
            "unfreeze": max(plan.unfreeze, 1),
            "hidden": plan.hidden,
            "dropout": plan.dropout,
            "rate": plan.learning_rate,
            "part": plan.backbone_rate,
            "decay": plan.weight_decay,
            "smoothing": plan.label_smoothing,
            "clip": plan.clip,
            "epochs": plan.epochs,
            "batch": plan.batch_size,
            "seed": plan.seed,
            "title": plan.title,
            **_as_dict(plan.augmentation),
        }
    )


def _network() -> str:
    """The chosen network; it may have been deleted meanwhile."""
    slug = str(_value("network"))
    if slug not in catalogue.titles():
        slug = _DEFAULTS["network"]
        _take({"network": slug})
    return slug


def split(dataset: Dataset, plan: Plan) -> Split:
    """What the plan trains."""
    from explorer.catalogue.tuned import Head
    from explorer.training import stages

    head = Head(len(dataset.classes), plan.hidden, plan.dropout)
    anatomy = stages.of(plan.network)
    return stages.split(anatomy, min(plan.unfreeze, len(anatomy.stages)), head)


def in_words(dataset: Dataset) -> str:
    """The plan in a few words."""
    try:
        found = split(dataset, asked())
    except ExplorerError:
        return "to be mended"
    return f"{catalogue.get(_network()).title}, {count(found.trainable)} trained"


def draw(visitor: str) -> None:  # noqa: ARG001 (every step is drawn alike)
    """Network, kind, diagram, options; a change redraws nothing else but the row of steps."""
    from explorer.training import stages

    dataset = state.dataset()
    titles = {slug: title for slug, title in catalogue.titles().items() if _can(slug)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _network()
        st.selectbox(
            "Network", list(titles), format_func=titles.__getitem__, filter_mode="contains", width=270,
            **_bound("network"),
        )  # fmt: skip
        st.segmented_control(
            "What is trained", list(_KINDS), format_func=_KINDS.__getitem__, required=True, **_bound("kind")
        )
        anatomy = stages.of(_network())
        if _value("kind") == "tune":
            most = len(anatomy.stages)
            _take({"unfreeze": min(int(_value("unfreeze")), most)})
            st.slider("Last stages", 1, most, width=180, **_bound("unfreeze"))
        st.number_input("Epochs", 1, 200, width=110, **_bound("epochs"))
        with st.popover("Recipes", icon=":material/menu_book:"):
            for name, values in _GUIDES.items():
                st.button(name, key=f"tuning-recipe-{name}", on_click=_take, args=(values,), type="tertiary")
            st.button("As at first", key="tuning-recipe-first", on_click=_take, args=(_DEFAULTS,), type="tertiary")
    card = catalogue.get(_network())
    _subjects(dataset, card.subject)
    unlearnt = unlearnt_note(_network())
    if unlearnt:
        st.warning(unlearnt, icon=":material/casino:")
    plan = asked()
    found = split(dataset, plan)
    st.markdown(f"**Trained: {found.text}.** {_ABOUT[_value('kind')]}")
    _diagram(found)
    left, right = st.columns(2, gap="large")
    with left:
        _options()
    with right:
        _augmentation(dataset, plan)
    with st.expander("What the guide's own code trains", icon=":material/report:"):
        st.markdown(_SLIP)
    with st.expander("Code for this view", icon=":material/code:"):
        st.caption("For a `dataset`; `python -m explorer.training --help` does the same for a folder.")
        st.code(lines(plan), language="python")
    st.button(
        "Next: run",
        type="primary",
        icon=":material/arrow_forward:",
        key="tuning-next",
        on_click=state.go,
        args=("run",),
    )


def lines(plan: Plan) -> str:
    """The code that does what was planned, for a ``dataset``."""
    from dataclasses import fields

    from explorer import training

    def given(value: Any, usual: Any) -> str:
        return ", ".join(
            f"{each.name}={getattr(value, each.name)!r}"
            for each in fields(value)
            if each.name != "augmentation" and getattr(value, each.name) != getattr(usual, each.name)
        )

    options = [f"network={plan.network!r}", given(plan, training.Plan(network=plan.network))]
    if plan.augmentation.active:
        options.append(f"augmentation=training.Augmentation({given(plan.augmentation, training.NONE)})")
    return (
        "from explorer import training\n\n"
        f"plan = training.Plan({', '.join(filter(None, options))})\n"
        "for progress in training.fit(dataset, plan):\n"
        "    print(progress.text)\n"
    )


def _can(slug: str) -> bool:
    return catalogue.get(slug).task == "classification"


def unlearnt_note(slug: str) -> str:
    """What is to be said where a network may begin with random weights; '' where its own are at hand."""
    from explorer import weight_files
    from explorer.catalogue.tuned import TunedArchitecture

    card = catalogue.get(slug)
    if isinstance(card, TunedArchitecture) or card.bundled is not None:
        return ""
    official = weight_files.official(card)
    if official is None:
        return (
            f"There are no trained weights of {card.title}: it begins with random ones, and what is frozen knows "
            "nothing. Train all its stages, or choose a network that has learnt something."
        )
    if weight_files.cached(official) is not None:
        return ""
    return (
        f"The ImageNet weights of {card.title} are not on this machine. The run fetches them first; where it cannot, "
        "it begins with random ones, and what is frozen then knows nothing."
    )


def _subjects(dataset: Dataset, subject: str) -> None:
    if subject == "digits" and "digit" not in dataset.title.lower():
        st.caption(
            ":material/info: This network looks at light digits on dark ground; photos are turned into that before it "
            "sees them."
        )


def _diagram(found: Split) -> None:
    """The network's graph, what is trained in colour."""
    from explorer.graph.folding import fold, opening
    from explorer.graph.layout import place

    graph = cache.graph(_network())
    folded = fold(graph, opening(graph))
    roots = tuple(f"{path}." for path in found.modules if path)

    params = {node.name: node.params for node in graph.nodes}

    def share(nodes: tuple[str, ...]) -> float:
        inside = sum(params[name] for name in nodes if f"{name.partition('#')[0]}.".startswith(roots))
        return inside / sum(params[name] for name in nodes)

    values = {box.key: share(box.nodes) for box in folded.boxes if box.nodes and box.params}
    texts = {key: "trained" if value == 1 else "partly" if value else "frozen" for key, value in values.items()}
    drawing = place(folded, "right")
    diagram(
        drawing,
        "tuning-diagram",
        selected="",
        paint=Paint(values, texts, "Trained", "frozen", "trained"),
        on_select=lambda: None,
        on_unfold=lambda: None,
        height=round(min(300, max(200, drawing.height + 80))),
        name=f"{_network()}-trained",
    )
    names = ", ".join(plain(stage.name) for stage in found.unfrozen)
    st.caption(
        f"The new head has {found.head_parameters:,} parameters and {len(state.dataset().classes)} outputs (the "
        "diagram shows the network before it gets it)"
        + (
            f"; trained with it, at a lower rate: {names}."
            if names
            else "; all else is frozen, batch norms in eval mode."
        )
    )


def _options() -> None:
    with st.expander("Head and optimiser", icon=":material/tune:"):
        one, two = st.columns(2)
        with one:
            st.number_input(
                "Hidden units", 0, 4096, step=64, help="0 for none; the guide's head has 256.", **_bound("hidden")
            )
            st.number_input(
                "Learning rate",
                1e-6,
                1.0,
                format="%.6g",
                step=1e-4,
                help="AdamW, of the head; falls along half a cosine.",
                **_bound("rate"),
            )
            st.number_input("Weight decay", 0.0, 1.0, format="%.6g", step=1e-4, **_bound("decay"))
            st.number_input("Batch size", 1, 512, **_bound("batch"))
            st.text_input(
                "Name of the tuned network", placeholder="made of data and network", max_chars=80, **_bound("title")
            )
        with two:
            st.slider("Dropout", 0.0, 0.9, step=0.05, **_bound("dropout"))
            st.slider(
                "Backbone's part of the rate",
                0.0,
                1.0,
                step=0.05,
                help="A tenth of the head's, as a rule.",
                **_bound("part"),
            )
            st.slider("Label smoothing", 0.0, 0.5, step=0.05, **_bound("smoothing"))
            st.number_input(
                "Largest norm of the gradient", 0.0, 100.0, step=0.5, help="0 for no limit.", **_bound("clip")
            )
            st.number_input("Seed", 0, 9999, help="The same seed gives the same run.", **_bound("seed"))  # fmt: skip


def _augmentation(dataset: Dataset, plan: Plan) -> None:
    from explorer import training
    from explorer.training import augmentation

    with st.expander("Augmentation", icon=":material/auto_awesome_motion:", expanded=plan.augmentation.active):
        with st.container(horizontal=True):
            st.button("The guide's", key="tuning-guide", on_click=_take, args=(_as_dict(training.GUIDE),))
            st.button("None", key="tuning-none", on_click=_take, args=(_as_dict(training.NONE),))
        one, two = st.columns(2)
        with one:
            st.slider("Least part that a crop keeps", 0.05, 1.0, step=0.01, **_bound("crop"))
            st.slider("Flips", 0.0, 1.0, step=0.1, **_bound("flip"))
            st.slider("Rotation, degrees", 0.0, 90.0, step=1.0, **_bound("rotation"))
        with two:
            st.slider("Brightness", 0.0, 1.0, step=0.05, **_bound("brightness"))
            st.slider("Contrast", 0.0, 1.0, step=0.05, **_bound("contrast"))
            st.slider("Saturation", 0.0, 1.0, step=0.05, **_bound("saturation"))
            st.slider("Hue", 0.0, 0.5, step=0.01, **_bound("hue"))
        item = dataset.train[0]
        recipe = catalogue.get(plan.network).preprocessing
        looks = augmentation.preview(item.open(), recipe, plan.augmentation, 5, plan.seed)
        with st.container(horizontal=True, gap="small"):
            for each in looks:
                blocks.image(images.encode_png(each.resize((112, 112))), width=96, alt=f"{item.name}, changed")
        st.caption(
            f"{plain(item.name)} in the first five epochs. "
            + (
                "It changes from epoch to epoch, so every epoch goes through the whole network."
                if plan.augmentation.active
                else "Without augmentation a frozen backbone's features are computed once and kept."
            )
        )


def _as_dict(augmentation: Any) -> dict[str, float]:
    from dataclasses import asdict

    return asdict(augmentation)
