"""The main job in a real browser: a photo through a real network, and everything a visitor does with it."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, WebSocketRoute, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.shared.text import number
from tests.browser.conftest import frames, running_server, settled

pytestmark = pytest.mark.browser
_SHOWN = "canvas.blend, canvas.all, canvas.cone, [data-plane=output], [data-testid=stImage] img"


def heat_ready(page: Page, ready: str | re.Pattern[str]) -> None:
    """Waits for the map of (layer|class|signed)."""
    expect(page.locator("canvas.blend")).to_have_attribute("data-ready", ready)


def pixels(page: Page, canvas: str) -> str:
    """What a canvas shows, as text to compare."""
    return page.locator(canvas).evaluate("canvas => canvas.toDataURL()")


def atlas_of(page: Page, layer: str) -> None:
    """Waits for the atlas of ``layer``."""
    expect(page.locator("canvas.all")).to_have_attribute("data-layer", re.compile(re.escape(layer) + "$"))


def choose(page: Page, label: str, text: str) -> None:
    """Searches in a select box and takes the first answer."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.click()
    box.fill(text)
    page.get_by_role("option").first.click()


def file(image: Image.Image, kind: str = "PNG") -> bytes:
    """An image file in memory."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_first_request_to_a_fresh_server_may_be_a_deep_link(visit, tmp_path):
    with running_server(tmp_path) as address:
        page = visit("/attribution?image=coffee&network=efficientnet_lite1&layer=features.5&class=968", address=address)
        heat_ready(page, "features.5|968|False")
        settled(page)
        expect(page.get_by_role("heading", name="Why this class?")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_test_id("stTopNavLink")).to_have_count(10)
        expect(page.get_by_role("combobox", name=re.compile("Network"))).to_have_value(re.compile("Lite1"))
        expect(page.get_by_role("combobox", name=re.compile("Class"))).to_have_value(re.compile("cup"))
        for part in ("image=coffee", "network=efficientnet_lite1", "layer=features.5", "class=968"):
            assert part in page.url
        expect(page.get_by_test_id("stException")).to_have_count(0)
        page.close()  # before its server: it would miss it, and say so


def test_home_answers_at_once_and_leads_on(visit):
    page = visit("/")
    heat_ready(page, "features.8|282|False")
    expect(page.locator("button[data-index]").first).to_contain_text("tiger cat")
    expect(page.locator("button[data-index]").first).to_contain_text("41 %")
    expect(page.get_by_text(re.compile(r"CPU, \d+ thread"))).to_be_visible()
    page.locator("button[data-name^='features.3|']").click()
    atlas_of(page, "features.3")
    page.wait_for_url(re.compile(r"layer=features\.3&channel=\d+"))


def test_upload_channel_class_and_overlay(visit, photos):
    page = visit("/")
    heat_ready(page, "features.8|282|False")
    before = pixels(page, "canvas.blend")
    # Sideways with the orientation noted in EXIF, as a phone saves it: nothing is right unless that is obeyed.
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    photos["coffee"].rotate(90, expand=True).save(buffer, "JPEG", quality=95, exif=exif)
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}]
    )
    heat_ready(page, "features.8|967|False")
    assert pixels(page, "canvas.blend") != before
    expect(page.locator("button[data-index='967']")).to_contain_text("espresso")

    page.get_by_test_id("stTopNavLink").filter(has_text="Feature maps").click()
    atlas_of(page, "features.3")
    expect(page.get_by_text("mine.jpg").first).to_be_visible()
    settled(page)  # else what is still drawn above may move the atlas
    box = page.locator("canvas.all").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    name = page.locator(".chosen .name").inner_text()
    channel = int(name.removeprefix("Channel "))
    page.wait_for_url(re.compile(rf"channel={channel}\b"))

    page.get_by_test_id("stTopNavLink").filter(has_text="Attribution").click()
    heat_ready(page, re.compile(r"\|967\|False"))
    first = pixels(page, "canvas.blend")
    choose(page, "Class", "coffee mug")
    heat_ready(page, re.compile(r"\|504\|False"))
    assert pixels(page, "canvas.blend") != first
    page.wait_for_url(re.compile(r"(?=.*class=504)(?=.*image=yours)"))  # the photo itself stays out of links


def test_hovering_asks_the_server_nothing(visit):
    page = visit("/feature_maps?layer=features.3")
    atlas_of(page, "features.3")
    settled(page)
    quiet = len(frames(page))
    box = page.locator("canvas.all").bounding_box()
    seen = set()
    for step in range(1, 9):
        page.mouse.move(box["x"] + box["width"] * step / 10, box["y"] + box["height"] * 0.3)
        seen.add(page.locator(".chosen .name").inner_text())
    assert len(seen) > 3
    large = page.locator("canvas.map").bounding_box()
    page.mouse.move(large["x"] + large["width"] / 2, large["y"] + large["height"] / 2)
    expect(page.locator(".chosen .unit")).to_contain_text("row 14, column 14: about")
    assert len(frames(page)) == quiet


def test_a_unit_is_chosen_and_its_exact_value_shown(visit, lite0, photos):
    from explorer import activations

    page = visit("/feature_maps?layer=features.3&channel=5")
    atlas_of(page, "features.3")
    settled(page)
    large = page.locator("canvas.map").bounding_box()
    page.mouse.click(large["x"] + large["width"] * 10.5 / 28, large["y"] + large["height"] * 20.5 / 28)
    value = float(activations.feature_maps(lite0, photos["chelsea"], ["features.3"])["features.3"].values[5, 20, 10])
    page.mouse.move(0, 0)
    expect(page.locator(".chosen .unit")).to_have_text(f"Unit at row 20, column 10: {number(value)}")
    page.wait_for_url(re.compile("unit=20%2C10"))
    # Away and back by the navigation: picture, words and address still agree.
    page.get_by_test_id("stTopNavLink").filter(has_text="Attribution").click()
    heat_ready(page, "features.3|282|False")
    page.get_by_test_id("stTopNavLink").filter(has_text="Feature maps").click()
    atlas_of(page, "features.3")
    expect(page.locator(".chosen .name")).to_have_text("Channel 5")
    expect(page.locator(".chosen .unit")).to_have_text(f"Unit at row 20, column 10: {number(value)}")


def test_the_chosen_channel_is_shown_whatever_sheet_and_order(visit):
    page = visit("/feature_maps?layer=features.8&channel=700")
    name = page.locator(".chosen .name")
    expect(name).to_have_text("Channel 700")
    settled(page)
    page.get_by_test_id("stPagination").get_by_role("button", name="Page 1").click()
    expect(page.get_by_text("channel 700 is on sheet 2")).to_be_visible()
    expect(name).to_have_text("Channel 700")
    for choice in ("By strength", "By index", "About zero"):
        page.get_by_role("radio", name=choice).click()
        expect(page.get_by_role("radio", name=choice)).to_be_checked()
        settled(page)
        expect(name).to_have_text("Channel 700")
    page.wait_for_url(re.compile("colours=symmetric"))
    settled(page)
    box = page.locator("canvas.all").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    clicked = name.inner_text()
    assert clicked != "Channel 700"
    page.wait_for_url(re.compile(rf"channel={clicked.removeprefix('Channel ')}\b"))
    page.go_back()
    expect(name).to_have_text("Channel 700")


def test_logits_have_names_on_the_atlas(visit):
    page = visit("/feature_maps?layer=classifier.1&image=coffee&order=strength")
    expect(page.locator(".chosen .name")).to_have_text("Channel 967 · espresso")
    expect(page.locator("canvas.map")).to_be_hidden()


def test_an_upload_can_be_removed_in_the_sidebar(visit, photos):
    page = visit("/")
    heat_ready(page, "features.8|282|False")
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "mine.png", "mimeType": "image/png", "buffer": file(photos["coffee"])}]
    )
    heat_ready(page, "features.8|967|False")
    page.wait_for_url(re.compile("image=yours"))
    page.get_by_role("button", name="Remove this picture").click()
    heat_ready(page, "features.8|282|False")
    expect(page.get_by_text("mine.png")).to_have_count(0)


def test_the_link_is_copied(visit):
    page = visit("/attribution?class=285")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    heat_ready(page, "features.8|285|False")
    page.get_by_role("button", name="Copy link to this view").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_no_evidence_shows_the_photo_and_no_blank_map(visit):
    page = visit("/attribution?class=874")
    expect(page.get_by_text("No positive evidence for “trolleybus”")).to_be_visible()
    expect(page.locator("canvas.photo")).to_be_visible()
    expect(page.locator("canvas.evidence")).to_be_hidden()
    expect(page.locator("canvas.blend")).to_be_hidden()


def test_the_keyboard_is_enough(visit):
    page = visit("/feature_maps?layer=features.3&channel=0")
    atlas_of(page, "features.3")
    settled(page)
    page.locator("canvas.all").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".chosen .name")).to_have_text("Channel 3")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"channel=3\b"))


def test_a_copied_link_opens_the_same_view(visit):
    page = visit("/feature_maps")
    atlas_of(page, "features.3")
    settled(page)
    choose(page, "Layer", "features.6.1.block.0.2")
    atlas_of(page, "features.6.1.block.0.2")
    settled(page)
    box = page.locator("canvas.all").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.2)
    channel = page.locator(".chosen .name").inner_text().removeprefix("Channel ")
    page.wait_for_url(re.compile(rf"(?=.*channel={channel}\b)(?=.*layer=features\.6\.1\.block\.0\.2\b)"))
    settled(page)
    link = page.url
    expect(page.locator(".chosen .name")).to_have_text(f"Channel {channel}")
    other = visit(link[link.index("/feature_maps") :])
    atlas_of(other, "features.6.1.block.0.2")
    expect(other.locator(".chosen .name")).to_have_text(f"Channel {channel}")
    assert pixels(other, "canvas.map") == pixels(page, "canvas.map")


def test_going_back_goes_back(visit):
    page = visit("/attribution")
    heat_ready(page, "features.8|282|False")
    settled(page)
    page.locator("button[data-index='285']").click()
    heat_ready(page, "features.8|285|False")
    page.wait_for_url(re.compile("class=285"))
    page.get_by_test_id("stTopNavLink").filter(has_text="Feature maps").click()
    atlas_of(page, "features.3")
    page.wait_for_url(re.compile(r"/feature_maps\?class=285"))  # the selection goes along
    page.go_back()  # one step, although the address was completed after the click
    heat_ready(page, "features.8|285|False")
    settled(page)
    page.go_back()
    heat_ready(page, "features.8|282|False")


def test_downloads_are_what_is_shown(visit, lite0, photos):
    from explorer import attribution

    page = visit("/attribution?class=281")
    heat_ready(page, "features.8|281|False")
    with page.expect_download() as raw:
        page.get_by_role("button", name="Raw map as NPY").click()
    expected = attribution.attribute(lite0, photos["chelsea"], target=281)
    assert np.allclose(np.load(raw.value.path()), expected.raw, atol=1e-5)
    with page.expect_download() as overlay:
        page.get_by_role("button", name="Overlay as PNG").click()
    with Image.open(overlay.value.path()) as saved:
        assert saved.size == (672, 672)
    assert raw.value.suggested_filename.endswith("features.8-tabby.npy")


def test_signed_evidence_and_the_numbers(visit):
    page = visit("/attribution?class=281")
    heat_ready(page, "features.8|281|False")
    page.get_by_role("radio", name="For and against").click()
    heat_ready(page, "features.8|281|True")
    page.get_by_text("The map's own numbers", exact=True).click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/feature_maps", "/attribution", "/receptive_field", "/convolution"])
def test_what_is_not_an_image_is_one_sentence_and_the_page_goes_on(visit, path):
    page = visit(path)
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "letter.png", "mimeType": "image/png", "buffer": b"Dear Chelsea, this is no picture."}]
    )
    expect(page.get_by_test_id("stAlert")).to_contain_text("letter.png")
    expect(page.locator(_SHOWN).last).to_be_visible()


def test_random_weights_are_never_silent(visit):
    for path in ("/", "/feature_maps", "/attribution"):
        page = visit(f"{path}?network=resnet18&weights=random")
        expect(page.get_by_test_id("stAlert")).to_contain_text("random weights")
        page.close()


def test_without_a_connection_the_page_goes_on(visit):
    page = visit("/attribution?network=resnet18&weights=pretrained")
    expect(page.get_by_test_id("stAlert")).to_contain_text("resnet18-f37072fd.pth")
    heat_ready(page, re.compile(r"^layer4\|"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("path", ["/", "/feature_maps", "/attribution", "/receptive_field", "/convolution"])
def test_both_themes_and_widths(visit, theme, width, path):
    page = visit(path, width=width, theme=theme)
    expect(page.locator(_SHOWN).last).to_be_visible()
    settled(page)
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"), dtype=float)
    assert (np.median(shot) > 200) == (theme == "light")
    assert shot.std() > 10
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")  # nothing sticks out to the side
    ink = page.locator("h1").evaluate("h => getComputedStyle(h).color")
    paper = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    assert contrast(ink, paper) >= 4.5


def contrast(ink: str, paper: str) -> float:
    """Contrast ratio of two CSS colours (WCAG 2.1, relative luminance)."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_samples_are_a_click_away_and_credited(visit):
    page = visit("/")
    heat_ready(page, "features.8|282|False")
    page.get_by_text("Other photos").click()
    page.locator("button[data-name='coffee']").click()
    heat_ready(page, "features.8|967|False")
    expect(page.get_by_text(re.compile("Coffee.*CC0")).first).to_be_visible()
    page.wait_for_url(re.compile("image=coffee"))


def test_several_uploads_at_once_can_all_be_chosen(visit, photos):
    page = visit("/attribution")
    heat_ready(page, "features.8|282|False")
    page.locator("input[type=file]").first.set_input_files(
        [
            {"name": f"{name}.png", "mimeType": "image/png", "buffer": file(photos[name])}
            for name in ("camera", "coffee")
        ]
    )
    heat_ready(page, "features.8|967|False")
    page.get_by_role("button", name="camera.png").click()
    heat_ready(page, "features.8|872|False")  # tripod


def test_a_click_before_the_address_has_followed_loses_nothing(visit):
    late: list[tuple[WebSocketRoute, bytes]] = []
    held = True

    def addresses_are_late(page: Page) -> None:
        def connect(browser: WebSocketRoute) -> None:
            def pass_on(message: str | bytes) -> None:
                data = message if isinstance(message, bytes) else message.encode()
                if held and ForwardMsg.FromString(data).WhichOneof("type") == "page_info_changed":
                    late.append((browser, data))
                else:
                    browser.send(data)

            browser.connect_to_server().on_message(pass_on)

        page.route_web_socket(re.compile("/_stcore/stream"), connect)

    page = visit("/attribution", before=addresses_are_late)
    heat_ready(page, "features.8|282|False")
    page.get_by_text("Other photos").click()
    page.locator("button[data-name='coffee']").click()
    heat_ready(page, "features.8|967|False")
    settled(page)
    page.locator("button[data-name='camera']").click()
    heat_ready(page, "features.8|872|False")
    settled(page)
    assert "image=" not in page.url
    held = False  # one that is on its way yet goes through
    while late:
        browser, data = late.pop(0)
        browser.send(data)
    page.wait_for_url(re.compile("image=camera"))
    page.go_back()
    heat_ready(page, "features.8|967|False")


def draw(page: Page, *stroke: tuple[float, float]) -> None:
    """Draws a line through points given as parts of the paper's side."""
    paper = page.locator("canvas[aria-label^='Paper']").first
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def test_a_drawn_digit_goes_through_lenet5_and_stays(visit):
    page = visit("/?network=lenet5")
    heat_ready(page, "s4|3|False")
    draw(page, (0.3, 0.2), (0.7, 0.2), (0.45, 0.8))
    heat_ready(page, "s4|7|False")
    expect(page.locator("button[data-index]").first).to_contain_text("7")
    page.wait_for_url(re.compile("image=yours"))
    drawing = pixels(page, "canvas[aria-label^='Paper']")
    page.get_by_test_id("stTopNavLink").filter(has_text="Feature maps").click()
    atlas_of(page, "activation3")
    page.get_by_test_id("stTopNavLink").filter(has_text="Home").click()
    heat_ready(page, "s4|7|False")
    expect(page.locator("canvas[aria-label^='Paper']")).to_be_visible()
    page.wait_for_function(
        "before => document.querySelector('[data-testid=stApp]') && [...document.querySelectorAll('*')]"
        ".flatMap(e => e.shadowRoot ? [...e.shadowRoot.querySelectorAll('canvas')] : [])"
        ".concat([...document.querySelectorAll('canvas')]).some(c => c.toDataURL() === before)",
        arg=drawing,
    )
    page.get_by_role("button", name="Clear").click()
    heat_ready(page, "s4|3|False")  # back to the bundled digit: what was read is gone with the drawing
    settled(page)
    draw(page, (0.5, 0.15), (0.5, 0.85))
    heat_ready(page, "s4|1|False")
