package app.muzzle.ui

import org.junit.Test

class MainTest : ScreenTest() {
    @Test
    fun fourTabsLeadToFourScreens() {
        val main = open<MainActivity>().get()
        for (tab in listOf("Apps", "Timeline", "Hosts", "Home")) {
            tap(main, tab)
            assertShows(main, if (tab == "Home") "Muzzle" else tab)
        }
        picture(main, "home")
    }
}
