package app.muzzle.ui

import android.content.Intent
import android.miui.AppOpsUtils
import app.muzzle.service.KeepAlive
import app.muzzle.service.KeepState
import app.muzzle.service.KeepStep
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.shadows.ShadowBuild

class KeepAliveTest : ScreenTest() {
    private val keep get() = KeepAlive(RuntimeEnvironment.getApplication(), "Xiaomi")

    @After
    fun forget() {
        AppOpsUtils.mode = null
    }

    @Test
    fun autostartIsReadFromMiuiWhereItTells() {
        assertEquals(KeepState.UNKNOWN, keep.state(KeepStep.AUTOSTART))
        AppOpsUtils.mode = 0
        assertEquals(KeepState.DONE, keep.state(KeepStep.AUTOSTART))
        AppOpsUtils.mode = 1
        assertEquals(KeepState.OPEN, keep.state(KeepStep.AUTOSTART))
    }

    @Test
    fun whatMiuiTellsNeedsNoWordOfTheOwner() {
        ShadowBuild.setManufacturer("Xiaomi")
        AppOpsUtils.mode = 1
        val screen = open<KeepAliveActivity>()
        assertShows(screen.get(), "Autostart", "Background autostart", "Battery", "Always-on VPN")
        assertEquals(2, texts(screen.get()).count { it == "I did it" })
        picture(screen.get(), "keep-alive-xiaomi")
        AppOpsUtils.mode = 0
        screen.pause().resume()
        settle()
        assertShows(screen.get(), "Done")
        tap(screen.get(), "I did it")
        assertShows(screen.get(), "Done, as you said")
        assertEquals(1, texts(screen.get()).count { it == "I did it" })
    }

    @Test
    fun eachStepHasAPageOnAnyPhone() {
        for (step in KeepStep.entries) {
            val pages = keep.pages(step)
            assertEquals("$step", null, pages.last().component)
            assertFalse("$step", (pages.last().action ?: "").startsWith("miui"))
        }
        assertEquals("com.miui.securitycenter", keep.pages(KeepStep.AUTOSTART).first().component!!.packageName)
        assertEquals(Intent("miui.intent.action.OP_AUTO_START").action, keep.pages(KeepStep.AUTOSTART)[1].action)
    }
}
