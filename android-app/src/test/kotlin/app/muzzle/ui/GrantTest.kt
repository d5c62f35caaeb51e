package app.muzzle.ui

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import app.muzzle.service.ProtectionState
import app.muzzle.service.Trouble
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowSystemClock
import org.robolectric.shadows.ShadowVpnService
import java.time.Duration

/** What a person reads who turns protection on, whatever Android and other apps say to that. */
class GrantTest : ScreenTest() {
    private val question = Intent("android.net.vpn.SETTINGS")

    private fun asks() = ShadowVpnService.setPrepareResult(question)

    /** The answer to the system's question; it is read before it is answered, unless nobody could. */
    private fun answer(
        screen: Activity,
        result: Int,
        atOnce: Boolean = false,
    ) {
        val asked = shadowOf(screen).nextStartedActivityForResult
        assertEquals(question.action, asked.intent.action)
        if (!atOnce) ShadowSystemClock.advanceBy(Duration.ofSeconds(2))
        shadowOf(screen).receiveResult(asked.intent, result, null)
        settle()
    }

    @Test
    fun aGrantTurnsProtectionOn() {
        asks()
        val main = open<MainActivity>().get()
        shadowOf(main).clearNextStartedActivities()
        assertShows(main, "Not protected", "Telemetry passes unseen.")
        tap(main, "Turn on")
        assertEquals(ProtectionState.Off, graph.protection.state)
        answer(main, Activity.RESULT_OK)
        assertShows(main, "Protected", "Pause 15 min")
    }

    @Test
    fun aRefusalSaysHowToGoOn() {
        asks()
        val main = open<MainActivity>().get()
        shadowOf(main).clearNextStartedActivities()
        tap(main, "Turn on")
        answer(main, Activity.RESULT_CANCELED)
        assertShows(main, "Not protected", "Android has not granted the VPN. Turn on and choose OK.", "Turn on")
        picture(main, "home-not-granted")
        assertAccessible(main)
        tap(main, "Turn on")
        answer(main, Activity.RESULT_OK)
        assertShows(main, "Protected")
    }

    @Test
    fun aQuestionThatClosesByItselfTellsOfAnotherAlwaysOnVpn() {
        asks()
        val main = open<MainActivity>().get()
        shadowOf(main).clearNextStartedActivities()
        tap(main, "Turn on")
        answer(main, Activity.RESULT_CANCELED, atOnce = true)
        assertShows(main, "Not protected", "Another app is the always-on VPN. Change that in the VPN settings of the phone.")
    }

    @Test
    fun aPhoneWithoutTheQuestionIsSaid() {
        asks()
        val main = open<MainActivity>().get()
        shadowOf(RuntimeEnvironment.getApplication()).checkActivities(true)
        tap(main, "Turn on")
        assertShows(main, "Not protected", "Android has not granted the VPN.")
    }

    @Test
    fun anotherVpnThatTookOverIsSaid() {
        val main = open<MainActivity>().get()
        tap(main, "Turn on")
        assertShows(main, "Protected")
        graph.protection.state = ProtectionState.Failed(Trouble.REVOKED)
        assertShows(main, "Not protected", "Another VPN took over. Turn it off there, then turn on here.", "Turn on")
    }

    @Test
    fun everyTroubleHasItsOwnWords() {
        val main = open<MainActivity>().get()
        val words =
            Trouble.entries.map {
                graph.protection.state = ProtectionState.Failed(it)
                assertShows(main, "Not protected", "Turn on")
                stateWords(main, graph.protection.state).text.also { text -> assertShows(main, text) }
            }
        assertEquals(Trouble.entries.size, words.toSet().size)
    }

    @Test
    fun notificationsAreAskedForFirstAndNotInsistedOn() {
        shadowOf(RuntimeEnvironment.getApplication()).denyPermissions(Manifest.permission.POST_NOTIFICATIONS)
        val main = open<MainActivity>().get()
        tap(main, "Turn on")
        val asked = shadowOf(main).lastRequestedPermission
        assertEquals(listOf(Manifest.permission.POST_NOTIFICATIONS), asked.requestedPermissions.toList())
        assertEquals(ProtectionState.Off, graph.protection.state)
        main.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        assertShows(main, "Protected")
    }

    @Test
    fun theFirstRunAsksInTheSameWay() {
        asks()
        shadowOf(RuntimeEnvironment.getApplication()).denyPermissions(Manifest.permission.POST_NOTIFICATIONS)
        val first = open<FirstRunActivity>().get()
        tap(first, "Next")
        tap(first, "Next")
        tap(first, "Turn on")
        val asked = shadowOf(first).lastRequestedPermission
        shadowOf(first).clearNextStartedActivities()
        first.onRequestPermissionsResult(asked.requestCode, asked.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        answer(first, Activity.RESULT_CANCELED, atOnce = true)
        assertEquals(ProtectionState.Failed(Trouble.OTHER_ALWAYS_ON), graph.protection.state)
        assertTrue(first.isFinishing)
        val started = generateSequence { shadowOf(first).nextStartedActivity }.mapNotNull { it.component?.className }
        assertFalse("there is nothing to keep alive", KeepAliveActivity::class.java.name in started.toList())
    }
}
