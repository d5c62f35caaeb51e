package app.muzzle.ui

class AppsPage(
    screen: ScreenActivity,
) : Page(screen) {
    override fun shown() = screen.showLoading()
}
