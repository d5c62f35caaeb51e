package app.muzzle.ui

class HomePage(
    screen: ScreenActivity,
) : Page(screen) {
    override fun shown() = screen.showLoading()
}
