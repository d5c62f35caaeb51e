package app.muzzle.ui

import app.muzzle.core.Filter

class TimelinePage(
    screen: ScreenActivity,
) : Page(screen) {
    override fun shown() = screen.showLoading()

    /** Shows what fits, from now on. */
    fun filter(filter: Filter) {
        check(filter != Filter())
    }
}
