package app.muzzle.ui

import android.net.ConnectivityManager
import android.net.LinkProperties
import android.provider.Settings
import android.view.View
import app.muzzle.R
import app.muzzle.service.AliveMark
import app.muzzle.service.Trouble
import app.muzzle.service.lostSince
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowToast
import java.io.File

/** What keeps protection from working as it should is a card on the home screen, for as long as it is true. */
class AttentionTest : ScreenTest() {
    private val app = RuntimeEnvironment.getApplication()
    private val connectivity = app.getSystemService(ConnectivityManager::class.java)!!

    private fun home() = open<MainActivity>().get()

    private fun privateDns(provider: String?) {
        val properties = LinkProperties()
        properties.privateDnsServerName = provider
        shadowOf(connectivity).setLinkProperties(connectivity.activeNetwork, properties)
    }

    @Test
    fun aStrictPrivateDnsIsSaidAndLeadsToItsSetting() {
        privateDns("dns.example")
        val main = home()
        assertShows(main, "Private DNS hides names", "dns.example", "Set Private DNS to Automatic")
        shadowOf(main).clearNextStartedActivities()
        tapIn(card(main, "Private DNS hides names"), "Fix")
        assertEquals(Settings.ACTION_WIRELESS_SETTINGS, shadowOf(main).nextStartedActivity.action)
        privateDns(null)
        assertFalse(texts(home()).any { "Private DNS hides" in it })
    }

    @Test
    fun aPhoneWithoutANetworkSaysThatNothingLeaves() {
        shadowOf(connectivity).setActiveNetworkInfo(null)
        assertShows(home(), "No network", "Protection goes on by itself")
    }

    @Test
    fun settingsThatCannotBeReadAreKeptAndSaid() {
        val bad = "{\"v\":1,\"reach\":"
        val file = File(app.filesDir, "settings.json")
        file.writeText(bad)
        val main = home()
        assertShows(main, "Settings started anew", "It was kept as settings.json.unreadable")
        assertEquals(bad, File(file.path + ".unreadable").readText())
        picture(main, "home-attention")
        assertAccessible(main)
    }

    @Test
    fun aLogThatWasDamagedIsSaid() {
        val aside = File(app.filesDir, "muzzle.db.damaged-1795296600000")
        aside.writeText("no database")
        assertShows(home(), "The log started anew", "It is kept as ${aside.name} until you wipe the log.")
        graph.wipe()
        assertFalse(texts(home()).any { "The log started anew" in it })
    }

    private fun missed(reason: String) {
        val now = graph.clock.millis()
        graph.core.gap(now - 2 * HOUR_MS, now - HOUR_MS, reason)
    }

    @Test
    fun aTimeWithoutProtectionSaysWhyAndLeadsToWhatHelps() {
        missed("killed")
        val main = home()
        assertShows(main, "Protection did not run", "The system had ended Muzzle. Keep alive, in the menu, helps against it.")
        shadowOf(main).clearNextStartedActivities()
        tapIn(card(main, "Protection did not run"), "Fix")
        assertEquals(KeepAliveActivity::class.java.name, shadowOf(main).nextStartedActivity.component!!.className)
    }

    @Test
    fun aTimeThatAnotherVpnTookLeadsToTheVpns() {
        missed(Trouble.OTHER_ALWAYS_ON.reason)
        val main = home()
        assertShows(main, "Another app was the always-on VPN.")
        shadowOf(main).clearNextStartedActivities()
        tapIn(card(main, "Protection did not run"), "Fix")
        assertEquals(Settings.ACTION_VPN_SETTINGS, shadowOf(main).nextStartedActivity.action)
    }

    @Test
    fun everyReasonForATimeWithoutProtectionHasWords() {
        val found =
            listOf(0L to 0L, 20L to 0L, 0L to 20L).map { (boot, updated) ->
                lostSince(AliveMark.Mark(10, shutdown = false), boot, updated, 30).reason
            }
        assertEquals(listOf("killed", "boot", "updated"), found)
        assertEquals(GAPS.keys, (found + Trouble.entries.map { it.reason }).toSet())
    }

    @Test
    fun aPageThatThePhoneLacksIsSaid() {
        privateDns("dns.example")
        val main = home()
        shadowOf(app).checkActivities(true)
        tapIn(card(main, "Private DNS hides names"), "Fix")
        assertEquals("This phone has no such page.", ShadowToast.getTextOfLatestToast())
    }

    @Test
    fun aCardThatIsHiddenStaysAway() {
        privateDns("dns.example")
        val main = home()
        tapIn(card(main, "Private DNS hides names"), "Hide")
        assertFalse(texts(main).any { "Private DNS hides" in it })
        assertFalse(texts(home()).any { "Private DNS hides" in it })
    }

    private fun card(
        main: MainActivity,
        title: String,
    ) = visible(main.window.decorView)
        .first { it.id == R.id.attention_title && texts(it) == listOf(title) }
        .let { generateSequence(it) { view -> view.parent as? View } }
        .first { view -> texts(view).contains("Hide") }

    private companion object {
        const val HOUR_MS = 3_600_000L
    }
}
