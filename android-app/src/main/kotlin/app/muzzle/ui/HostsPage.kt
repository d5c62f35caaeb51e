package app.muzzle.ui

class HostsPage(
    screen: ScreenActivity,
) : Page(screen) {
    override fun shown() = screen.showLoading()
}
