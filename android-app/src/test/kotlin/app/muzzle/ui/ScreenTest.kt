package app.muzzle.ui

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import app.muzzle.MuzzleApp
import app.muzzle.TestGraph
import org.junit.After
import org.junit.Assert.fail
import org.junit.Before
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.File

/** A screen test over the real core. Names screens by what a person reads on them. */
@RunWith(RobolectricTestRunner::class)
abstract class ScreenTest {
    protected lateinit var graph: TestGraph

    @Before
    fun makeGraph() {
        graph = TestGraph(RuntimeEnvironment.getApplication())
        MuzzleApp.makeGraph = { graph }
    }

    @After
    fun closeGraph() = graph.close()

    /** Qualifiers such as `+night`, `ar-rXB-ldrtl`, `+land`: see Robolectric's device configuration. */
    protected fun qualifiers(text: String) = RuntimeEnvironment.setQualifiers(text)

    protected fun fontScale(scale: Float) = RuntimeEnvironment.setFontScale(scale)

    protected inline fun <reified T : Activity> open(): ActivityController<T> =
        Robolectric.buildActivity(T::class.java).setup().also { settle() }

    protected fun settle() = shadowOf(Looper.getMainLooper()).idle()

    /** Every text that a person sees under a view, in order. */
    protected fun texts(view: View): List<String> =
        visible(view).filterIsInstance<TextView>().map { it.text.toString() }.filter { it.isNotBlank() }.toList()

    protected fun texts(activity: Activity) = texts(activity.window.decorView)

    protected fun assertShows(
        activity: Activity,
        vararg words: String,
    ) {
        val shown = texts(activity)
        words.filter { word -> shown.none { word in it } }.let { if (it.isNotEmpty()) fail("missing $it in $shown") }
    }

    /** Touches the first visible thing with this text or description, or the clickable thing around it. */
    protected fun tap(
        activity: Activity,
        words: String,
    ) {
        val hit =
            visible(activity.window.decorView).firstOrNull {
                (it is TextView && it.text.toString() == words) || it.contentDescription?.toString() == words
            } ?: error("nothing says \"$words\": ${texts(activity)}")
        val target = generateSequence(hit) { it.parent as? View }.first { it.isClickable }
        check(target.performClick()) { "\"$words\" does nothing" }
        settle()
    }

    protected fun visible(view: View): Sequence<View> =
        sequence {
            if (view.visibility == View.VISIBLE) {
                yield(view)
                if (view is ViewGroup) for (n in 0 until view.childCount) yieldAll(visible(view.getChildAt(n)!!))
            }
        }

    /** Draws the screen into the folder of pictures. */
    protected fun picture(
        activity: Activity,
        name: String,
    ) {
        settle()
        val view = activity.window.decorView
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        val file = File(System.getProperty("muzzle.pictures")!!, "$name.png")
        file.parentFile!!.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }
}
