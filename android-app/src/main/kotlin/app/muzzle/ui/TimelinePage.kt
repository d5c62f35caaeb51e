package app.muzzle.ui

class TimelinePage(
    screen: ScreenActivity,
) : Page(screen) {
    override fun shown() = screen.showLoading()
}
