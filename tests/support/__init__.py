"""What tests share but third parties do not need: real servers and browsers. Fakes and builders are in `herder.testing`."""
