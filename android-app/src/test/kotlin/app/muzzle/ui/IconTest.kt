package app.muzzle.ui

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.drawable.AdaptiveIconDrawable
import android.graphics.drawable.Drawable
import app.muzzle.R
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import java.io.File

@RunWith(RobolectricTestRunner::class)
class IconTest {
    private val icon = RuntimeEnvironment.getApplication().getDrawable(R.mipmap.ic_launcher) as AdaptiveIconDrawable

    @Test
    fun `the icon has a layer of one colour for themes`() = assertNotNull(icon.monochrome)

    @Test
    fun `the sign lies within the circle that every launcher shows`() {
        val sign = drawn(icon.foreground.constantState!!.newDrawable())
        val middle = SIDE / 2
        val reach = SIDE * 33 / 108
        var inside = 0
        for (y in 0 until SIDE) {
            for (x in 0 until SIDE) {
                if (sign.getPixel(x, y) == 0) continue
                inside++
                assertTrue("$x $y", (x - middle) * (x - middle) + (y - middle) * (y - middle) <= reach * reach)
            }
        }
        assertTrue("$inside", inside > SIDE * SIDE / 20)
    }

    @Test
    fun `the icon for the store is drawn`() {
        val file = File(System.getProperty("muzzle.pictures")!!, "icon.png")
        file.parentFile!!.mkdirs()
        file.outputStream().use { drawn(icon).compress(Bitmap.CompressFormat.PNG, 100, it) }
        assertEquals(0xFF00616B.toInt(), drawn(icon).getPixel(SIDE / 2, SIDE / 20))
    }

    private fun drawn(drawable: Drawable): Bitmap {
        val bitmap = Bitmap.createBitmap(SIDE, SIDE, Bitmap.Config.ARGB_8888)
        drawable.setBounds(0, 0, SIDE, SIDE)
        drawable.draw(Canvas(bitmap))
        return bitmap
    }

    private companion object {
        /** Of F-Droid's icon, in pixels. */
        const val SIDE = 512
    }
}
