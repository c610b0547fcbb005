"""How does one pass find every thing?"""

from pages.shared import blocks, navigation

navigation.guard()

with blocks.kindly():
    from pages.shared.detection import steps, subject

    model = subject.network()
    picture, seed = subject.chosen(model)
    steps.draw(model, picture, seed)
