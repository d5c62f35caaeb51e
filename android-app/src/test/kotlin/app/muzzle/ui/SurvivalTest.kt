package app.muzzle.ui

import android.app.Activity
import android.view.View
import android.widget.AbsListView
import android.widget.ScrollView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Each screen after a rotation, and after the system ended the process. */
class SurvivalTest : ScreenTest() {
    @Test
    fun everyScreenComesBackWhereItWas() {
        for ((name, intent) in everyScreen()) {
            val controller = at(intent)
            scroll(controller.get())
            val place = placeOf(controller.get())
            val words = words(controller.get())
            assertTrue("$name shows nothing", words.size > 1)
            val back = revive(controller)
            assertEquals(name, words, words(back))
            assertEquals(name, place, placeOf(back))
        }
    }

    @Test
    fun everyScreenTurns() {
        for ((name, intent) in everyScreen()) {
            qualifiers(UPRIGHT)
            val upright = at(intent)
            val words = words(upright.get())
            qualifiers(ON_ITS_SIDE)
            val turned = again(upright)
            assertTrue("$name shows nothing", words(turned.get()).size > 1)
            qualifiers(UPRIGHT)
            assertEquals(name, words, words(revive(turned)))
        }
    }

    /** Without what is written anew each time: a preview with pseudonyms. */
    private fun words(screen: Activity) = texts(screen).filter { it.length < LONG }

    private fun scroll(screen: Activity) {
        when (val view = scrolling(screen)) {
            is ScrollView -> view.scrollTo(0, 300)
            is AbsListView -> view.setSelection(2)
        }
        settle()
    }

    private fun placeOf(screen: Activity): Int =
        when (val view = scrolling(screen)) {
            is ScrollView -> view.scrollY
            is AbsListView -> view.firstVisiblePosition
            else -> 0
        }

    private fun scrolling(screen: Activity): View? =
        visible(screen.window.decorView).firstOrNull { it is ScrollView || it is AbsListView }

    private companion object {
        const val LONG = 300
        const val UPRIGHT = "w411dp-h891dp-port-xhdpi"
        const val ON_ITS_SIDE = "w891dp-h411dp-land-xhdpi"
    }
}
